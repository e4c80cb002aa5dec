"""`fastpatent average`: the mean of several checkpoints of one network, a soup (Wortsman et al., ICML 2022)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastpatent import log
from fastpatent.commands.options import Parser
from fastpatent.errors import CheckpointError
from fastpatent.models.families import State, translate
from fastpatent.models.state_file import read_state_file
from fastpatent.models.weights_file import check_weights_output, source_record, write_weights


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, average and report; return the exit status."""
    parser = Parser(
        prog="fastpatent average",
        description="Write the mean of the weights of several checkpoints of one network, and a JSON file of their origin.",
    )
    parser.add_argument("output", metavar="OUT", help="weights, called .pth or .safetensors; OUT.json says what they are of")
    parser.add_argument("first", metavar="IN", help="checkpoint of any kind that MODEL.WEIGHTS takes")
    parser.add_argument("others", metavar="IN", nargs="+", help="further ones of the same network")
    args = parser.parse_args(argv)
    log.start()
    output, sources = Path(args.output), [Path(source) for source in (args.first, *args.others)]
    check_weights_output(output, sources)
    state, records = averaged(sources)
    write_weights(output, state, {"average": records}, f"the mean of {len(sources)} checkpoints")
    return 0


def averaged(sources: Sequence[Path]) -> tuple[State, list[dict[str, Any]]]:
    """Return the mean of checkpoints, and what is to be recorded of each.

    Floating-point tensors are summed in float64 and have the types of the first file, from which all others are taken.

    Raises:
        CheckpointError: a file cannot be read, or its tensors have other names or shapes than those of the first.
    """
    first: State = {}
    sums: State = {}
    records = []
    for source in sources:
        content = read_state_file(source)
        state = translate(content.state).state
        records.append(source_record(source, content))
        first = first or state
        _check_same(sources[0], first, source, state)
        for name, value in first.items():
            if value.is_floating_point():
                sums[name] = sums[name] + state[name] if name in sums else state[name].double()
    mean = {name: (total / len(sources)).to(first[name].dtype) for name, total in sums.items()}
    return first | mean, records


def _check_same(expected: Path, first: State, source: Path, state: State) -> None:
    for name in first | state:
        there, here = (list(found[name].shape) if name in found else "missing" for found in (first, state))
        if there != here:
            raise CheckpointError(
                f"{source}: is of another network than {expected}: {name} is {here} here and {there} there; "
                "the mean is of checkpoints of one network"
            )

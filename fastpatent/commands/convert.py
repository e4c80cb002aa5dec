"""`fastpatent convert`: any published checkpoint as a safetensors file under our names, with a card of its origin."""

import argparse
import json
import math
from numbers import Integral, Real
from pathlib import Path

from safetensors.torch import save

from fastpatent import __version__
from fastpatent.commands.parts import with_classes
from fastpatent.config import describe, load_config
from fastpatent.errors import CheckpointError
from fastpatent.files import sha256_of, write_atomically
from fastpatent.models import build_model
from fastpatent.models.families import translate
from fastpatent.models.state_file import read_state_file
from fastpatent.models.weights import load_weights


def main(argv=None):
    """Parse the command line, convert and say what was done; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="fastpatent convert",
        description="Write the weights of a published checkpoint under our names, and a card beside them.",
    )
    parser.add_argument(
        "source", metavar="IN", help="checkpoint of the challenge, PatentNet, Higuchi & Yanai or a bare backbone"
    )
    parser.add_argument("output", metavar="OUT.safetensors", help="weights; OUT.json beside them tells where they are from")
    parser.add_argument("--config-file", metavar="F", help="YAML file of the network, to check that the weights fit it")
    args = parser.parse_args(argv)
    source, output = Path(args.source), Path(args.output)
    _check_output(source, output)
    content = read_state_file(source)
    family, state, dropped = translate(content.state)
    if family is None and not args.config_file:
        raise CheckpointError(
            f"{source}: its names ({', '.join(list(state)[:3])}, ...) are of no family known here; "
            "give the network that they belong to by --config-file"
        )
    card = {
        "family": family,
        "source": {"file": source.name, "sha256": sha256_of(source)},
        "tensors": len(state),
        "parameters": sum(value.numel() for value in state.values()),
        "dropped": dropped,
        **_figures(content.beside),
    }
    if args.config_file:
        print(_check_fit(args.config_file, source).table())
        card["config"] = describe(load_config(args.config_file)).yaml
    card["fastpatent"] = __version__

    # Tensors of a checkpoint may share memory or lie in strides, which safetensors does not write.
    whole = {name: value.clone().contiguous() for name, value in state.items()}
    # Not by save_file, which lets nobody else read what it writes.
    write_atomically(output, lambda temporary: temporary.write_bytes(save(whole)))
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    write_atomically(output.with_suffix(".json"), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    origin = f"a checkpoint of {family}" if family else "a checkpoint of no known family"
    print(f"{output}: {len(state)} tensors, {card['parameters'] / 1e6:.1f} M values, from {origin}")
    print(f"{output.with_suffix('.json')}: where they are from")
    return 0


def _check_output(source, output):
    if output.suffix != ".safetensors":
        raise CheckpointError(f"{output}: the converted weights must be called something.safetensors")
    if not output.parent.is_dir():
        raise CheckpointError(f"{output}: there is no folder {output.parent}")
    if output.exists() and source.exists() and output.samefile(source):
        raise CheckpointError(f"{output}: is the checkpoint to convert, which stays as it is; choose another name")


def _check_fit(config_file, source):
    """Load the checkpoint into the network of a configuration and return the LoadReport."""
    cfg = load_config(config_file, ["MODEL.WEIGHTS", str(source)])  # so that no other weights are asked for
    return load_weights(build_model(with_classes(cfg, 1)), source).without_classifier()


def _figures(beside):
    """Return the epoch and the metrics of a checkpoint, as far as it tells them, as plain numbers."""
    found = {"epoch": _plain(beside.get("epoch"))}
    metrics = {}
    for name in ("metric", "metrics", "best"):
        value = beside.get(name)
        metrics |= {key: _plain(number) for key, number in (value if isinstance(value, dict) else {name: value}).items()}
    found["metrics"] = {name: number for name, number in metrics.items() if number is not None}
    return {name: value for name, value in found.items() if value not in (None, {})}


def _plain(value):
    if not isinstance(value, Real) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)

"""`fastpatent convert`: any published checkpoint as a file under our names, with a JSON file of its origin."""

import logging
import math
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch

from fastpatent import log
from fastpatent.commands.options import Parser, add_download_option
from fastpatent.config import describe, load_config
from fastpatent.downloads import allow_downloads
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.models import build_model, with_classes
from fastpatent.models.families import translate
from fastpatent.models.state_file import read_state_file
from fastpatent.models.weights import LoadReport, load_weights
from fastpatent.models.weights_file import check_weights_output, source_record, write_weights

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, convert and report; return the exit status."""
    parser = Parser(
        prog="fastpatent convert",
        description="Write the weights of a published checkpoint under our names, and a JSON file of their origin.",
    )
    parser.add_argument(
        "source", metavar="IN", help="checkpoint of the challenge, PatentNet, Higuchi & Yanai or a bare backbone"
    )
    parser.add_argument("output", metavar="OUT", help="weights, called .safetensors or .pth; OUT.json says of what")
    parser.add_argument("--config-file", metavar="F", help="YAML file of the network, to check that the weights fit it")
    parser.add_argument(
        "--slim", action="store_true", help="float16, and of the network of --config-file only what its features need"
    )
    add_download_option(parser)
    args = parser.parse_args(argv)
    if args.slim and not args.config_file:
        raise ConfigError("--slim: name the configuration of the network by --config-file")
    allow_downloads(args.allow_downloads)
    log.start()
    source, output = Path(args.source), Path(args.output)
    check_weights_output(output, [source])
    content = read_state_file(source)
    family, state, dropped = translate(content.state)
    if family is None and not args.config_file:
        raise CheckpointError(
            f"{source}: its names ({', '.join(list(state)[:3])}, ...) are of no known family; "
            "name the configuration of their network by --config-file"
        )
    config = {}
    if args.config_file:
        report = _check_fit(args.config_file, source)
        logger.info("%s", report.without_classifier().table())
        config = {"config": describe(load_config(args.config_file)).yaml}
        if args.slim:
            needed = {*report.matched, *(row.name for row in report.reshaped)} - {report.classifier}
            dropped += [name for name in state if name not in needed]
            state = {name: _half(value) for name, value in state.items() if name in needed}
    record = {
        "family": family,
        "source": source_record(source, content),
        "dropped": dropped,
        **_figures(content.beside),
        **config,
    }
    origin = f"from a checkpoint of {family}" if family else "from a checkpoint of no known family"
    write_weights(output, state, record, f"{origin}{content.choice}")
    return 0


def _check_fit(config_file: str, source: Path) -> LoadReport:
    """Load the checkpoint into the network of a configuration and return the LoadReport."""
    cfg = load_config(config_file, ["MODEL.WEIGHTS", str(source)])  # so that no other weights are needed
    return load_weights(build_model(with_classes(cfg, 1)), source)


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def _figures(beside: dict[str, Any]) -> dict[str, Any]:
    """Return the epoch and the metrics that a checkpoint holds, as plain numbers."""
    found: dict[str, Any] = {"epoch": _plain(beside.get("epoch"))}
    metrics: dict[str, Any] = {}
    for name in ("metric", "metrics", "best"):
        value = beside.get(name)
        metrics |= {key: _plain(number) for key, number in (value if isinstance(value, dict) else {name: value}).items()}
    found["metrics"] = {name: number for name, number in metrics.items() if number is not None}
    return {name: value for name, value in found.items() if value not in (None, {})}


def _plain(value: Any) -> int | float | None:
    if not isinstance(value, Real) or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)

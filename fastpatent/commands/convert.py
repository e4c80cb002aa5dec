"""`fastpatent convert`: any published checkpoint as a safetensors file under our names, with a JSON file of its origin."""

import json
import logging
import math
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from fastpatent import __version__, log
from fastpatent.commands.options import Parser, add_download_option
from fastpatent.config import describe, load_config
from fastpatent.downloads import allow_downloads
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.files import check_output, read_regular, sha256_of, write_atomically
from fastpatent.models import build_model, with_classes
from fastpatent.models.families import translate
from fastpatent.models.state_file import read_state_file
from fastpatent.models.weights import LoadReport, load_weights

MOST_RECORD = 2**24  # bytes; one names every tensor that was dropped
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
    parser.add_argument("output", metavar="OUT.safetensors", help="weights; OUT.json beside them describes their origin")
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
    _check_output(source, output)
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
        "source": {"file": source.name, "sha256": sha256_of(source)},
        "tensors": len(state),
        "parameters": sum(value.numel() for value in state.values()),
        "dropped": dropped,
        **_figures(content.beside),
    }
    if content.others:
        record["source"] |= {"taken": content.place, "skipped": content.others}
    record |= config | {"fastpatent": __version__}

    # Tensors of a checkpoint may share memory or lie in strides, which safetensors does not write.
    whole = {name: value.clone().contiguous() for name, value in state.items()}
    # Not by save_file, which makes the file unreadable for other users.
    write_atomically(output, lambda temporary: temporary.write_bytes(save(whole)))
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_atomically(output.with_suffix(".json"), lambda temporary: temporary.write_text(text, encoding="utf-8"))
    origin = f"a checkpoint of {family}" if family else "a checkpoint of no known family"
    values = f"{record['parameters'] / 1e6:.1f} M values"
    logger.info(f"{output}: {len(state)} tensors, {values}, from {origin}{content.choice}")
    logger.info(f"{output.with_suffix('.json')}: their origin")
    return 0


def _check_output(source: Path, output: Path) -> None:
    if output.suffix != ".safetensors":
        raise CheckpointError(f"{output}: the converted weights must be called something.safetensors")
    if output.exists() and source.exists() and output.samefile(source):
        raise CheckpointError(f"{output}: is the checkpoint to convert, which is not overwritten; choose another name")
    record = output.with_suffix(".json")
    check_output(output, "OUT", lambda _: _is_record(record))
    check_output(record, "the record of OUT,", _is_record)


def _is_record(path: Path) -> bool:
    return "fastpatent" in json.loads(read_regular(path, MOST_RECORD))


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

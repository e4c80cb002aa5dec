"""Write a weights file, and a JSON file of its origin beside it, by which it is known again as ours."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from fastpatent import __version__
from fastpatent.errors import CheckpointError
from fastpatent.files import check_output, read_regular, sha256_of, write_atomically
from fastpatent.models.state_file import StateFile

SUFFIXES = (".safetensors", ".pth")
MOST_RECORD = 2**24  # bytes; one names every tensor that was dropped
logger = logging.getLogger(__name__)


def check_weights_output(output: Path, sources: Sequence[Path]) -> None:
    """Raise CheckpointError or DataError where `write_weights` cannot write, or would replace what is not ours.

    Args:
        output: path of the weights.
        sources: files that they are made of.
    """
    if output.suffix not in SUFFIXES:
        raise CheckpointError(f"{output}: the weights must be called something{' or something'.join(SUFFIXES)}")
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise CheckpointError(f"{output}: is a checkpoint to read, which is not overwritten; choose another name")
    record = output.with_suffix(".json")
    for path, what in ((output, "OUT"), (record, "the record of OUT,")):
        check_output(path, what, lambda _: _is_record(record, output))


def _is_record(path: Path, output: Path) -> bool:
    """Return whether a JSON file is of these weights, and not of those beside them with the other suffix."""
    record = json.loads(read_regular(path, MOST_RECORD))
    return "fastpatent" in record and record["weights"] == output.name


def source_record(source: Path, content: StateFile) -> dict[str, Any]:
    """Return which file weights are from and, where it holds several state dicts, which of them."""
    taken = {"taken": content.place, "skipped": content.others} if content.others else {}
    return {"file": source.name, "sha256": sha256_of(source), **taken}


def write_weights(output: Path, state: Mapping[str, torch.Tensor], record: Mapping[str, Any], origin: str) -> None:
    """Write tensors as safetensors or by torch.save, as the suffix says, and a JSON file of their origin; both are logged.

    Args:
        output: path of the weights, see `check_weights_output`.
        state: names and tensors.
        record: plain values for the JSON file, which also gets the name of the weights, the numbers of tensors and values,
            and the version.
        origin: what they are, for the message.
    """
    # Tensors of a checkpoint may share memory or lie in strides, which safetensors does not write.
    whole = {name: value.clone().contiguous() for name, value in state.items()}
    values = sum(value.numel() for value in whole.values())

    def write(temporary: Path) -> None:
        # Not by path: save_file makes the file unreadable for other users, and torch.save writes its temporary name.
        with temporary.open("wb") as file:
            if output.suffix == ".safetensors":
                file.write(save(whole))
            else:
                torch.save(whole, file)

    write_atomically(output, write)
    counts = {"weights": output.name, "tensors": len(whole), "parameters": values}
    text = json.dumps({**record, **counts, "fastpatent": __version__}, indent=2, ensure_ascii=False) + "\n"
    origin_file = output.with_suffix(".json")
    write_atomically(origin_file, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    logger.info(f"{output}: {len(whole)} tensors, {values / 1e6:.1f} M values, {origin}")
    logger.info(f"{origin_file}: their origin")

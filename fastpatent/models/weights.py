"""Load weights by name: published names, another image size, inner width or number of classes, with a report."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from tabulate import tabulate
from torch import nn

from fastpatent.errors import CheckpointError
from fastpatent.layers.non_local import NonLocal
from fastpatent.models.families import CLASSIFIERS, is_weight, translate
from fastpatent.models.network import Network
from fastpatent.models.resizing import fit_to_network
from fastpatent.models.state_file import StateFile, read_state_file

# Least share of backbone values in common, below which the file is of another network: ResNet-50 is half of a ResNet-101.
LEAST_SHARE = 2 / 3


class Reshaped(NamedTuple):
    """A parameter whose shape in the file differs from that in the network."""

    name: str
    in_file: tuple[int, ...]
    in_network: tuple[int, ...]
    outcome: str


@dataclass(frozen=True)
class LoadReport:
    """Result of loading a weights file.

    Attributes:
        source: the file, and which of several state dicts in it was taken, for messages.
        matched: names of the loaded parameters.
        missing: names in the network only; they keep their values.
        unexpected: names in the file only, skipped.
        reshaped: parameters of another shape in the file: set to the width of the file, interpolated, redistributed among
            the channels, or skipped.
        classifier: name of the network's class weights; None where it has none.
        chosen: whether the file holds several state dicts.
    """

    source: str
    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    reshaped: list[Reshaped]
    classifier: str | None = None
    chosen: bool = False

    @property
    def notable(self) -> bool:
        """Whether the network differs from the file: a part is missing or was fitted, or the file holds several networks."""
        return bool(self.missing or self.reshaped or self.chosen)

    def without_classifier(self) -> "LoadReport":
        """Return the report without the class weights, which evaluation does not need."""
        missing = [name for name in self.missing if name != self.classifier]
        return replace(self, missing=missing, reshaped=[row for row in self.reshaped if row.name != self.classifier])

    def table(self, rows: int = 20) -> str:
        """Return one line of counts and, if anything was skipped or changed, a table of at most `rows` lines."""
        counts = f"{self.source}: {len(self.matched)} parameters loaded, {len(self.missing)} missing, "
        counts += f"{len(self.unexpected)} without a place, {len(self.reshaped)} of another shape"
        lines = [(row.name, str(list(row.in_file)), str(list(row.in_network)), row.outcome) for row in self.reshaped]
        lines += [(name, "", "", "not in the file: keeps its value") for name in self.missing]
        lines += [(name, "", "", "not in the network: skipped") for name in self.unexpected]
        if not lines:
            return counts
        if len(lines) > rows:
            lines[rows:] = [(f"... and {len(lines) - rows} more", "", "", "")]
        return counts + "\n" + tabulate(lines, headers=("parameter", "in file", "in network", "outcome"))


def load_weights(model: nn.Module, source: str | Path | dict[str, torch.Tensor]) -> LoadReport:
    """Load a weights file into `model` in place.

    Args:
        model: Network, whose first backbone decides whether the file fits, and whose `essential` parameters must all be
            in the file and fit; or the `trunk` of a backbone.
        source: path (see `fastpatent.models.state_file.read_state_file`) or a state dict, under our names or those of a
            family of `fastpatent.models.families`. Tables that depend on the image size are interpolated, and first-layer
            weights for another number of channels are redistributed, see `fastpatent.models.resizing`.

    Returns:
        LoadReport.

    Raises:
        CheckpointError: the file cannot be read, belongs to another network, or has NaN or infinite values where this
            network has a place; `model` is unchanged.
    """
    file = StateFile(source, {}) if isinstance(source, dict) else read_state_file(source)
    source = "state dict" if isinstance(source, dict) else f"{source}{file.choice}"
    own = {name: tuple(value.shape) for name, value in model.state_dict().items() if is_weight(name)}
    translation = translate(file.state, own)
    placed = _placed(translation.state, model)
    found = {name: value.float() if value.is_floating_point() else value for name, value in placed.items()}

    blocks = _other_widths(model, found)
    widened = {f"{path}.{name}" for path, (block, _) in blocks.items() for name in block.state_dict()}
    reshaped: list[Reshaped] = []
    skipped: set[str] = set()
    for name in sorted(own.keys() & found.keys()):
        shape = tuple(found[name].shape)
        if shape == own[name]:
            continue
        fitted = None if name in widened else fit_to_network(model, name, found[name])
        if fitted:
            found[name], outcome = fitted
        elif name in widened:
            outcome = "width taken from the file"
        else:
            outcome = "skipped: keeps its value"
            skipped.add(name)
        reshaped.append(Reshaped(name, shape, own[name], outcome))
    matched = [name for name in found if name in own and name not in skipped]
    _check_same_network(source, translation.family, own, found, matched, _trunk_of(model)[0])
    network = model if isinstance(model, Network) else None
    if network:
        _check_essential(source, network.essential, own, found, skipped)
    broken = next((name for name in matched if not found[name].isfinite().all()), None)
    if broken:
        raise CheckpointError(f"{source}: {broken} has NaN or infinite values, and features would; take another checkpoint")

    for block, width in blocks.values():
        block.set_width(width)
    model.load_state_dict({name: found[name] for name in matched}, strict=False)
    # Files older than torch 0.4.1 have no such counters, and nothing here uses them.
    missing = [name for name in own if name not in found and not name.endswith("num_batches_tracked")]
    classifier = network and network.name_of(network.classifier_weight)
    unexpected = [name for name in found if name not in own]
    return LoadReport(source, matched, missing, unexpected, reshaped, classifier, bool(file.others))


def _trunk_of(model: nn.Module) -> tuple[str, str]:
    """Return (prefix of the first backbone, prefix of its `trunk`) in the names of a network; empty if it has none."""
    for name, backbone in model.backbones.items() if isinstance(model, Network) else ():
        if hasattr(backbone, "trunk"):
            return f"{name}.", f"{name}." if backbone.trunk is backbone else f"{name}.trunk."
    return "", ""


def _placed(state: dict[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state with the prefix of its backbone changed to that in `model`; either may be a bare backbone."""
    prefix, place = _trunk_of(model)
    within = any(name.startswith(("backbone.", prefix or "backbone.")) for name in state)
    if prefix and not within:
        return {place + name: value for name, value in state.items()}
    if not prefix and within:
        place = "backbone.trunk." if any(name.startswith("backbone.trunk.") for name in state) else "backbone."
        return {name.removeprefix(place): value for name, value in state.items()}
    return dict(state)


def _other_widths(model: nn.Module, found: dict[str, torch.Tensor]) -> dict[str, tuple[NonLocal, int]]:
    """Return {name: (non-local block, its inner width in the file)} of the blocks whose widths differ."""
    blocks = {name: module for name, module in model.named_modules() if isinstance(module, NonLocal)}
    widths = {name: len(found[f"{name}.g.weight"]) for name in blocks if f"{name}.g.weight" in found}
    return {name: (blocks[name], width) for name, width in widths.items() if width != blocks[name].width}


def _check_essential(
    source: str,
    essential: tuple[str, ...],
    own: dict[str, tuple[int, ...]],
    found: dict[str, torch.Tensor],
    skipped: set[str],
) -> None:
    """Raise CheckpointError if a parameter with a prefix in `essential` is missing or does not fit."""
    for name in sorted((own.keys() ^ found.keys()) | skipped):
        if name.startswith(essential) and not name.endswith("num_batches_tracked"):
            there = list(found[name].shape) if name in found else "missing"
            here = list(own[name]) if name in own else "without a place"
            raise CheckpointError(f"{source}: belongs to another network: {name} is {there} in the file and {here} here")


def _check_same_network(
    source: str,
    family: str | None,
    own: dict[str, tuple[int, ...]],
    found: dict[str, torch.Tensor],
    matched: list[str],
    prefix: str,
) -> None:
    """Raise CheckpointError if network and file have too few values of the backbone in common."""
    strange = tuple(prefix + place + name for place in ("", "trunk.") for name in (*CLASSIFIERS, "heads."))
    count = {
        name: value.numel()
        for name, value in found.items()
        if name.startswith(prefix) and (name in own or not name.startswith(strange))
    }
    here = {name: math.prod(shape) for name, shape in own.items() if name.startswith(prefix)}
    common = sum(count[name] for name in matched if name in count)
    share = common / max(sum(count.values()), sum(here.values()), 1)
    if share < LEAST_SHARE:
        common_names = set(matched)
        missing = ", ".join([name for name in here if name not in common_names][:3]) or "none"
        unexpected = ", ".join([name for name in found if name not in common_names][:3]) or "none"
        origin = f"it seems to be a checkpoint of {family}" if family else "its names are of no family known here"
        raise CheckpointError(
            f"{source}: belongs to another network: {origin}, and {share:.0%} of the backbone is common to both; "
            f"first missing: {missing}; first without a place: {unexpected}; "
            "name weights of this network, or the configuration of theirs"
        )

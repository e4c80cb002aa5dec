"""Weights into a network by name: published names, another size, inner width or number of classes, and what was left out."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from fastpatent.errors import CheckpointError
from fastpatent.layers.non_local import NonLocal
from fastpatent.models.families import is_weight, translate
from fastpatent.models.families.backbone import CLASSIFIERS
from fastpatent.models.resizing import fit_to_network
from fastpatent.models.state_file import read_state_file

# Below this share of common backbone values the file is of another network: half a ResNet-101 is all of a ResNet-50.
LEAST_SHARE = 2 / 3


class Reshaped(NamedTuple):
    """A parameter whose shape in the file is another than in the network as it was built."""

    name: str
    in_file: tuple
    in_network: tuple
    outcome: str


@dataclass(frozen=True)
class LoadReport:
    """What became of a weights file.

    Attributes:
        source: the file, for messages.
        matched: names loaded.
        missing: names of the network that the file lacks; they keep their values.
        unexpected: names in the file without a place in the network, left out.
        reshaped: Reshaped rows: what took the file's width, was interpolated or shared among other channels, or was left
            out for its shape.
    """

    source: str
    matched: list
    missing: list
    unexpected: list
    reshaped: list

    def without_classifier(self):
        """Return the report of a network that only evaluates: its number of classes is nobody's concern."""
        return replace(self, reshaped=[row for row in self.reshaped if row.name != "heads.weight"])

    def table(self, rows=20):
        """Return one line of counts and, where anything was left out or changed, a table of at most `rows` lines of it."""
        counts = f"{self.source}: {len(self.matched)} parameters loaded, {len(self.missing)} missing, "
        counts += f"{len(self.unexpected)} without a place, {len(self.reshaped)} of another shape"
        lines = [(row.name, list(row.in_file), list(row.in_network), row.outcome) for row in self.reshaped]
        lines += [(name, "", "", "not in the file: keeps its value") for name in self.missing]
        lines += [(name, "", "", "not in the network: left out") for name in self.unexpected]
        if not lines:
            return counts
        if len(lines) > rows:
            lines[rows:] = [(f"... and {len(lines) - rows} more", "", "", "")]
        return counts + "\n" + tabulate(lines, headers=("parameter", "in file", "in network", "outcome"))


def load_weights(model, source):
    """Load a weights file into `model` in place.

    Args:
        model: module; where it has a `backbone`, that part decides whether the file fits. Where it has `essential`, the
            beginnings of names, all parameters called so must be there and fit.
        source: path (see `fastpatent.models.state_file.read_state_file`) or a state dict, under our names or those of a
            family of `fastpatent.models.families`. Tables that depend on the size of the drawings are interpolated, and
            the weights of a first layer for another number of channels are shared among those of the network.

    Returns:
        LoadReport.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network; `model` is as it was.
    """
    is_path = isinstance(source, (str, Path))
    translation = translate(read_state_file(source).state if is_path else source)
    source = str(source) if is_path else "state dict"
    found = _placed(translation.state, model)
    own = {name: tuple(value.shape) for name, value in model.state_dict().items() if is_weight(name)}

    blocks = _other_widths(model, found)
    widened = {f"{block}.{name}" for block in blocks for name in model.get_submodule(block).state_dict()}
    reshaped, left_out = [], set()
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
            outcome = "left out: keeps its value"
            left_out.add(name)
        reshaped.append(Reshaped(name, shape, own[name], outcome))
    matched = [name for name in found if name in own and name not in left_out]
    _check_same_network(source, translation.family, own, found, matched)
    _check_essential(source, getattr(model, "essential", ()), own, found, left_out)

    for block, width in blocks.items():
        model.get_submodule(block).set_width(width)
    model.load_state_dict({name: found[name] for name in matched}, strict=False)
    # Files older than torch 0.4.1 have no such counters, and nothing here reads them.
    missing = [name for name in own if name not in found and not name.endswith("num_batches_tracked")]
    return LoadReport(source, matched, missing, [name for name in found if name not in own], reshaped)


def _placed(state, model):
    """Return the state with the names of its backbone as they are in `model`, be either of them a bare backbone."""
    backbone = getattr(model, "backbone", None)
    within = any(name.startswith("backbone.") for name in state)
    if backbone is not None and not within:
        place = "backbone." if backbone.trunk is backbone else "backbone.trunk."
        return {place + name: value for name, value in state.items()}
    if backbone is None and within:
        place = "backbone.trunk." if any(name.startswith("backbone.trunk.") for name in state) else "backbone."
        return {name.removeprefix(place): value for name, value in state.items()}
    return dict(state)


def _other_widths(model, found):
    """Return {name of a non-local block: its inner width in the file} where that is not the block's."""
    blocks = {name: module for name, module in model.named_modules() if isinstance(module, NonLocal)}
    widths = {name: len(found[f"{name}.g.weight"]) for name in blocks if f"{name}.g.weight" in found}
    return {name: width for name, width in widths.items() if width != blocks[name].width}


def _check_essential(source, essential, own, found, left_out):
    """Raise CheckpointError where a parameter called as `essential` says is missing, has no place or another shape."""
    for name in sorted((own.keys() ^ found.keys()) | left_out):
        if name.startswith(tuple(essential)) and not name.endswith("num_batches_tracked"):
            there = list(found[name].shape) if name in found else "missing"
            here = list(own[name]) if name in own else "without a place"
            raise CheckpointError(f"{source}: belongs to another network: {name} is {there} in the file and {here} here")


def _check_same_network(source, family, own, found, matched):
    """Raise CheckpointError where too few values of the backbone, of the network or of the file, are in both."""
    prefix = "backbone." if any(name.startswith("backbone.") for name in own) else ""
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
        matched = set(matched)
        missing = ", ".join([name for name in here if name not in matched][:3]) or "none"
        unexpected = ", ".join([name for name in found if name not in matched][:3]) or "none"
        origin = f"it seems to be a checkpoint of {family}" if family else "its names are of no family known here"
        raise CheckpointError(
            f"{source}: belongs to another network: {origin}, and {share:.0%} of the backbone is common to both; "
            f"first missing: {missing}; first without a place: {unexpected}"
        )

"""Fit parameters whose shape depends on the size or the channels of the images, from a file to a network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Size = tuple[int, int]  # rows, columns

# SwinV2 needs nothing here: a small network computes the bias from log-spaced coordinates. timm scales them by the window of
# pre-training if the model's name has it (12to24), for every image size; otherwise by the present window, so the edge of a
# window keeps its bias.


def fit_to_network(model: nn.Module, name: str, value: torch.Tensor) -> tuple[torch.Tensor, str] | None:
    """Interpolate a table of positions, or redistribute first-layer weights among channels, to their shape in `model`.

    Args:
        model: the network.
        name: of one of its parameters.
        value: that parameter in a file, of another shape.

    Returns:
        (tensor of the network's shape, what was done, for a report); None for any other parameter.
    """
    path, _, leaf = name.rpartition(".")
    owner: Any = model.get_submodule(path)  # a layer of timm or open_clip
    wanted = getattr(owner, leaf)
    if leaf == "pos_embed" and hasattr(owner, "patch_embed") and value.ndim == wanted.ndim == 3:
        return _positions(value, wanted, owner.patch_embed.grid_size)
    if leaf == "positional_embedding" and hasattr(owner, "grid_size") and value.ndim == wanted.ndim == 2:  # of open_clip
        fitted = _positions(value[None], wanted[None], owner.grid_size)
        return fitted and (fitted[0][0], fitted[1])
    if leaf == "relative_position_bias_table" and value.ndim == 2 and value.shape[1:] == wanted.shape[1:]:
        return _bias(value, wanted, tuple(owner.window_size))
    if value.numel() == wanted.numel() == 1:
        return value.reshape(wanted.shape), "the same number"
    if (
        value.ndim == wanted.ndim == 4
        and {value.shape[1], wanted.shape[1]} == {1, 3}
        and value[:, 0].shape == wanted[:, 0].shape
    ):
        # For a grey image copied to the channels, only the sum over them matters; timm sums, too.
        shared = value.sum(1, keepdim=True) / wanted.shape[1]
        return shared.expand(wanted.shape), f"{value.shape[1]} channels made {wanted.shape[1]}"
    return None


def _positions(table: torch.Tensor, wanted: torch.Tensor, grid: Size) -> tuple[torch.Tensor, str] | None:
    from timm.layers.pos_embed import resample_abs_pos_embed

    extra = wanted.shape[1] - grid[0] * grid[1]  # class and register tokens, which come first
    before = _side_lengths(table.shape[1] - extra, grid, lambda rows, columns: rows * columns)
    if before is None or table.shape[2] != wanted.shape[2]:
        return None
    fitted = resample_abs_pos_embed(table, list(grid), list(before), num_prefix_tokens=extra)
    return fitted, _interpolated(before, grid)


def _bias(table: torch.Tensor, wanted: torch.Tensor, window: Size) -> tuple[torch.Tensor, str] | None:
    from timm.layers.pos_embed_rel import resize_rel_pos_bias_table

    offsets = _offsets(*window)
    extra = len(wanted) - offsets  # from and to the class token, which come last
    before = _side_lengths(len(table) - extra, window, _offsets)
    if before is None:
        return None
    return resize_rel_pos_bias_table(table, window, wanted.shape, before), _interpolated(before, window)


def _offsets(rows: int, columns: int) -> int:
    return (2 * rows - 1) * (2 * columns - 1)


def _side_lengths(count: int, present: Size, count_of: Callable[[int, int], int]) -> Size | None:
    """Return the (rows, columns) of a table of `count` entries: in the proportions of `present`, else square, else None."""
    for height, width in (present, (1, 1)):
        for row in range(1, count + 1):
            if row * width % height == 0 and count_of(row, row * width // height) == count:
                return row, row * width // height
    return None


def _interpolated(before: Size, after: Size) -> str:
    return f"interpolated from {before[0]} x {before[1]} to {after[0]} x {after[1]}"

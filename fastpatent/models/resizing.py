"""Parameters whose shape follows the size or the channels of the drawings, from those of a file to those of a network."""

import torch
from timm.layers import resample_abs_pos_embed, resize_rel_pos_bias_table

# SwinV2 has nothing here: a small network computes the bias from log-spaced coordinates. They are scaled as timm does it: by
# the window of pre-training where the model's name tells it (12to24), whatever the size of the drawings, else by the
# present window, so that the edge of a window has the same bias as before.


def fit_to_network(model, name, value):
    """Interpolate a table of positions, or share first-layer weights among channels, to the shape that `model` has.

    Args:
        model: the network.
        name: of one of its parameters.
        value: that parameter in a file, of another shape.

    Returns:
        (tensor of the network's shape, what was done in words), or None where the parameter has no such meaning.
    """
    path, _, leaf = name.rpartition(".")
    owner = model.get_submodule(path)
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
    if value.ndim == 4 and {value.shape[1], wanted.shape[1]} == {1, 3} and value[:, 0].shape == wanted[:, 0].shape:
        # Of a grey drawing copied to the channels only the sum over them counts; timm sums too.
        shared = value.sum(1, keepdim=True) / wanted.shape[1]
        return shared.expand(wanted.shape), f"{value.shape[1]} channels made {wanted.shape[1]}"
    return None


def _positions(table, wanted, grid):
    extra = wanted.shape[1] - grid[0] * grid[1]  # class and register tokens, which stand first
    before = _side_lengths(table.shape[1] - extra, grid, lambda rows, columns: rows * columns)
    if before is None or table.shape[2] != wanted.shape[2]:
        return None
    return resample_abs_pos_embed(table, grid, before, num_prefix_tokens=extra), _interpolated(before, grid)


def _bias(table, wanted, window):
    offsets = _offsets(*window)
    extra = len(wanted) - offsets  # from and to the class token, which stand last
    before = _side_lengths(len(table) - extra, window, _offsets)
    if before is None:
        return None
    return resize_rel_pos_bias_table(table, window, wanted.shape, before), _interpolated(before, window)


def _offsets(rows, columns):
    return (2 * rows - 1) * (2 * columns - 1)


def _side_lengths(count, present, count_of):
    """Return the (rows, columns) that `count` entries are for: of the proportions of `present`, else square, else None."""
    rows = torch.arange(1, count + 1).tolist()
    for height, width in (present, (1, 1)):
        for row in rows:
            if row * width % height == 0 and count_of(row, row * width // height) == count:
                return row, row * width // height
    return None


def _interpolated(before, after):
    return f"interpolated from {before[0]} x {before[1]} to {after[0]} x {after[1]}"

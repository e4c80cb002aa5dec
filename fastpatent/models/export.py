"""Export a network to ONNX, images in, features out; the file is written only if its features are those of the network."""

import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fastpatent.errors import ConfigError, FastPatentError
from fastpatent.files import read_regular, write_atomically

NEEDED = ("onnx", "onnxscript", "onnxruntime")
LARGEST = 3 << 29  # bytes of weights; protobuf is limited to 2 GiB, so torch would split a larger model into several files
BATCHES = (1, 2, 7)
LEAST_COSINE = 0.9999

Shape = tuple[int, ...]


class Input(NamedTuple):
    """What an ONNX file takes.

    Attributes:
        name: of the input, which is uint8, 0 ink, 255 paper.
        shape: one that the network is traced with; no dynamic side is 1.
        dynamic: {axis: name} of those whose length is not fixed.
        compared: shapes at which its features are compared with the network's.
    """

    name: str
    shape: Shape
    dynamic: dict[int, str]
    compared: tuple[Shape, ...]

    def __str__(self) -> str:
        sides = (self.dynamic.get(axis, str(length)) for axis, length in enumerate(self.shape))
        return f"{self.name} uint8 [{', '.join(sides)}]"


def fitted_images(size: tuple[int, int], any_size: bool = False) -> Input:
    """Return the Input of a batch of images that were fitted before: `images` [batch, 1, height, width].

    Args:
        size: (height, width).
        any_size: whether these are dynamic, which few networks other than convolutional ones support.
    """
    height, width = size
    compared = [(batch, 1, height, width) for batch in BATCHES]
    dynamic = {0: "batch"}
    if any_size:
        compared.append((2, 1, height + 32, width + 96))
        dynamic |= {2: "height", 3: "width"}
    return Input("images", (2, 1, height, width), dynamic, tuple(compared))


def any_image(size: tuple[int, int]) -> Input:
    """Return the Input of one image of any size, which the file fits: `image` [height, width].

    Args:
        size: (height, width) that it is fitted to; the images compared are smaller, larger, high and wide.
    """
    height, width = size
    compared = (
        size,
        (height // 2 + 3, width // 3 + 5),
        (3 * height + 7, 2 * width + 1),
        (9 * height, width),
        (height, 9 * width),
    )
    return Input("image", (height + 1, width + 2), {0: "height", 1: "width"}, compared)


def export_onnx(
    model: nn.Module,
    path: str | Path,
    taken: Input,
    truth: Callable[[np.ndarray], torch.Tensor],
    metadata: dict[str, str] | None = None,
) -> float:
    """Write a module from images to features as one ONNX file, whose output is `features`, float32 [..., dim].

    Args:
        model: `model(images)` returns features, in evaluation mode and on the CPU.
        path: of the file, which is replaced only if `least_cosine` exceeds LEAST_COSINE.
        taken: what it takes.
        truth: function of the same images that computes the same features another way.
        metadata: stored in the file.

    Returns:
        least cosine between the features of `truth` and of the file.

    Raises:
        ConfigError: packages are not installed.
        FastPatentError: the network cannot be exported, is too large or has other features in ONNX; nothing is written.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"ONNX needs {' and '.join(missing)}: pip install 'fastpatent[export]'")
    program = _program(model, path, taken)
    initializers = program.model.graph.initializers.values()
    weights = sum(value.const_value.nbytes for value in initializers if value.const_value is not None)
    if weights > LARGEST:
        raise FastPatentError(f"{path}: {weights / 2**30:.1f} GiB of weights are more than one ONNX file can hold")
    program.model.metadata_props.update(metadata or {})
    found: dict[Shape, float] = {}

    def write(temporary: Path) -> None:
        program.save(temporary)
        found.update(least_cosine(truth, temporary, taken))
        if not all(cosine > LEAST_COSINE for cosine in found.values()):  # also if one is nan
            figures = ", ".join(f"{cosine:.6f} at {list(shape)}" for shape, cosine in found.items())
            raise FastPatentError(f"{path}: not written, its features are not the network's: least cosine {figures}")

    write_atomically(path, write)
    return min(found.values())


def is_exported(path: str | Path) -> bool:
    """Return whether `fastpatent export` wrote an ONNX file; raises what onnx raises for a file of another kind."""
    import onnx

    model = onnx.load_model_from_string(read_regular(path, 2**31))
    return any(entry.key == "fastpatent" for entry in model.metadata_props)


def least_cosine(truth: Callable[[np.ndarray], torch.Tensor], path: str | Path, taken: Input) -> dict[Shape, float]:
    """Return {shape: least cosine between the true features and those of an ONNX file} on random drawings.

    Args:
        truth: see `export_onnx`.
        path: of the ONNX file.
        taken: what it takes.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    found: dict[Shape, float] = {}
    for shape in taken.compared:
        images = random_drawings(random, shape)
        with torch.inference_mode():
            own = truth(images).double().numpy()
        exported = np.asarray(session.run(None, {taken.name: images})[0], np.float64)
        lengths = np.linalg.norm(own, axis=-1) * np.linalg.norm(exported, axis=-1)
        found[shape] = float(((own * exported).sum(-1) / lengths).min())
    return found


def random_drawings(random: np.random.Generator, shape: Shape, strokes: int = 12) -> np.ndarray:
    """Return uint8 drawings [..., height, width] of black random walks on white paper."""
    drawings = np.full(shape, 255, np.uint8)
    height, width = shape[-2:]
    for drawing in drawings.reshape(-1, height, width):
        start = random.uniform(0, (height, width), (strokes, 1, 2))
        walks = start + random.standard_normal((strokes, height + width, 2)).cumsum(axis=1)
        rows, columns = np.moveaxis(walks.astype(int) % (height, width), -1, 0)
        drawing[rows, columns] = 0
    return drawings


def _program(model: nn.Module, path: str | Path, taken: Input) -> torch.onnx.ONNXProgram:
    example = torch.full(taken.shape, 255, dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                dynamic_shapes=(taken.dynamic,),
                input_names=[taken.name],
                output_names=["features"],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise FastPatentError(f"{path}: not written, the network cannot be exported: {cause}") from error
    assert program is not None  # with dynamo
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress log messages and warnings of the exporter, whose result is checked."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)

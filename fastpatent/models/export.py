"""A network as ONNX: drawings in, features out, compared with the network before the file is there."""

import importlib.util
import logging
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from fastpatent.errors import ConfigError, FastPatentError
from fastpatent.files import write_atomically

NEEDED = ("onnx", "onnxscript", "onnxruntime")
LARGEST = 3 << 29  # bytes of weights; torch splits a larger model into several files, for protobuf ends at 2 GiB
BATCHES = (1, 2, 7)
LEAST_COSINE = 0.9999


def export_onnx(model, path, size, any_size=False, metadata=None):
    """Write the evaluation of a network as one ONNX file that says itself what it takes.

    The input `images` is what the network takes at its door: uint8 [batch, 1, height, width], 0 ink, 255 paper;
    normalisation is inside. The output `features` is float32 [batch, dim]. The batch may have any size.

    Args:
        model: `model(images)` returns features, in evaluation mode and on the CPU.
        path: where to write; replaced only by a file that has passed `least_cosine` with LEAST_COSINE.
        size: (height, width) of the drawings.
        any_size: whether drawings of other sizes are taken too, which few networks but convolutional ones can.
        metadata: dict of strings to keep in the file.

    Returns:
        least cosine that was found.

    Raises:
        ConfigError: the packages for it are not installed.
        FastPatentError: the network cannot be exported, is too large or gives other features in ONNX; nothing is written.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"ONNX needs {' and '.join(missing)}: pip install fastpatent[export]")
    program = _program(model, path, size, any_size)
    weights = sum(value.const_value.nbytes for value in program.model.graph.initializers.values())
    if weights > LARGEST:
        raise FastPatentError(f"{path}: {weights / 2**30:.1f} GiB of weights are more than one ONNX file can hold")
    program.model.metadata_props.update(metadata or {})
    shapes = [(batch, 1, *size) for batch in BATCHES]
    if any_size:
        shapes += [(2, 1, size[0] + 32, size[1] + 96)]
    found = {}

    def write(temporary):
        program.save(temporary)
        found.update(least_cosine(model, temporary, shapes))
        if not min(found.values()) > LEAST_COSINE:
            figures = ", ".join(f"{cosine:.6f} at {list(shape)}" for shape, cosine in found.items())
            raise FastPatentError(f"{path}: not written, its features are not the network's: least cosine {figures}")

    write_atomically(path, write)
    return min(found.values())


def least_cosine(model, path, shapes):
    """Return {shape: least cosine between a row of the network's features and of the ONNX file's} on random drawings.

    Args:
        model: as `export_onnx` takes it.
        path: of the ONNX file.
        shapes: (batch, 1, height, width) to try.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random, found = np.random.default_rng(0), {}
    for shape in shapes:
        images = random_drawings(random, shape)
        with torch.inference_mode():
            own = model(torch.from_numpy(images)).double().numpy()
        exported = session.run(None, {"images": images})[0].astype(np.float64)
        lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(exported, axis=1)
        found[shape] = float(((own * exported).sum(1) / lengths).min())
    return found


def random_drawings(random, shape, strokes=12):
    """Return uint8 drawings [batch, 1, height, width] of black random walks on white paper."""
    drawings = np.full(shape, 255, np.uint8)
    height, width = shape[2:]
    for drawing in drawings[:, 0]:
        start = random.uniform(0, (height, width), (strokes, 1, 2))
        walks = start + random.standard_normal((strokes, height + width, 2)).cumsum(axis=1)
        rows, columns = np.moveaxis(walks.astype(int) % (height, width), -1, 0)
        drawing[rows, columns] = 0
    return drawings


def _program(model, path, size, any_size):
    axes = {0: "batch", 2: "height", 3: "width"} if any_size else {0: "batch"}
    example = torch.full((2, 1, *size), 255, dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                dynamic_shapes=(axes,),
                input_names=["images"],
                output_names=["features"],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise FastPatentError(f"{path}: not written, the network cannot be exported: {cause}") from error


@contextmanager
def _quiet():
    """Keep the exporter's remarks on its own workings from the screen; what it did is checked."""
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

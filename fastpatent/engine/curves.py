"""The curves and galleries of a run for TensorBoard. What cannot be written ends them, not the run."""

import logging
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastpatent.files import unguessable

logger = logging.getLogger(__name__)


class Curves:
    """An event file of TensorBoard in the run's folder.

    Args:
        folder: OUTPUT_DIR.
        purge_step: iteration of the checkpoint that a run resumes from: what came after it is hidden; None for a new run.
    """

    def __init__(self, folder: str | os.PathLike[str], purge_step: int | None = None) -> None:
        self._writer: Any = None
        self._ended = False
        self._try(lambda: self._open(folder, purge_step))

    def scalars(self, values: dict[str, float], iteration: int) -> None:
        """Add a point to each of some curves."""
        self._try(lambda: [self._writer.add_scalar(name, value, iteration) for name, value in values.items()])

    def picture(self, name: str, picture: np.ndarray, iteration: int) -> None:
        """Add a picture, uint8 [height, width, 3]."""
        self._try(lambda: self._writer.add_image(name, picture, iteration, dataformats="HWC"))

    def close(self) -> None:
        """Write what is not yet on the disk."""
        self._try(lambda: self._writer.close())

    def _open(self, folder: str | os.PathLike[str], purge_step: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import, and only training needs it

        # it follows links, so its name, of host, process and second, ends with what nobody can know before
        self._writer = SummaryWriter(str(folder), purge_step=purge_step, filename_suffix=f".{unguessable()}")

    def _try(self, write: Callable[[], Any]) -> None:
        if self._ended:
            return
        try:
            write()
        except (OSError, UnicodeError) as error:  # of its thread too, which raises it at the next call
            self._ended = True
            logger.warning(f"the curves for TensorBoard end here: {getattr(error, 'strerror', None) or error}")

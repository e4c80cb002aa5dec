"""The curves and galleries of a run for TensorBoard. What cannot be written ends them, not the run."""

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastpatent.config.report import short_value
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

    def text(self, name: str, text: str, iteration: int) -> None:
        """Add a text, shown as it is, line by line."""
        as_it_is = "\n".join(f"    {line}" for line in text.splitlines())  # a block of code in Markdown
        self._try(lambda: self._writer.add_text(name, as_it_is, iteration))

    def hyperparameters(self, values: dict[str, Any], curves: Iterable[str]) -> None:
        """Add settings, whose table has a column for the last point of each of some curves.

        Not by `add_hparams`, which would write the points once more, as a run of their own in a new folder.
        """
        values = {name: value if type(value) in (int, float) else short_value(value) for name, value in values.items()}
        self._try(lambda: self._add_hyperparameters(values, dict.fromkeys(curves)))

    def close(self) -> None:
        """Write what is not yet on the disk."""
        self._try(lambda: self._writer.close())

    def _open(self, folder: str | os.PathLike[str], purge_step: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import, and only training needs it

        # it follows links, so its name, of host, process and second, ends with what nobody can know before
        self._writer = SummaryWriter(str(folder), purge_step=purge_step, filename_suffix=f".{unguessable()}")

    def _add_hyperparameters(self, values: dict[str, Any], curves: dict[str, None]) -> None:
        from torch.utils.tensorboard.summary import hparams

        for part in hparams(values, curves):
            self._writer.file_writer.add_summary(part)

    def _try(self, write: Callable[[], Any]) -> None:
        if self._ended:
            return
        try:
            write()
        except (OSError, UnicodeError) as error:  # of its thread too, which raises it at the next call
            self._ended = True
            logger.warning(f"the curves for TensorBoard end here: {getattr(error, 'strerror', None) or error}")

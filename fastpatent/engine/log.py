"""What a run says, on the console and in OUTPUT_DIR/log.txt; silent in every process but the first."""
from pathlib import Path

from rich.console import Console

from fastpatent import distributed


class RunLog:
    """Prints to standard output and keeps a plain copy.

    Args:
        folder: where log.txt is appended to; None keeps no copy.
    """

    def __init__(self, folder=None):
        self.quiet = distributed.rank() > 0
        self.console = Console(highlight=False, soft_wrap=True, quiet=self.quiet)
        self._copy = None
        if folder is not None and not self.quiet:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._file = open(Path(folder) / "log.txt", "a", encoding="utf-8")
            self._copy = Console(file=self._file, width=160, highlight=False, soft_wrap=True, no_color=True)

    def say(self, *renderables):
        """Print text or rich tables, and keep them."""
        self.console.print(*renderables, markup=False)  # a path may hold [brackets]
        if self._copy:
            self._copy.print(*renderables, markup=False)
            self._file.flush()

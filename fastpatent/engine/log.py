"""What a run says, on the console and in OUTPUT_DIR/log.txt; silent in every process but the first."""

from pathlib import Path

from rich.console import Console

from fastpatent import distributed

FILE_WIDTH = 120  # columns of a table where nobody's window sets them


class RunLog:
    """Prints to standard output and keeps a plain copy.

    Args:
        folder: where log.txt is appended to; None keeps no copy.
    """

    def __init__(self, folder=None):
        self.quiet = distributed.rank() > 0
        self.console = Console(highlight=False, quiet=self.quiet)
        if not self.console.is_terminal:
            self.console.width = FILE_WIDTH
        self._copy = None
        if folder is not None and not self.quiet:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._file = open(Path(folder) / "log.txt", "a", encoding="utf-8")
            self._copy = Console(file=self._file, width=FILE_WIDTH, highlight=False, no_color=True)

    def say(self, *renderables):
        """Print text or rich tables, and keep them."""
        for console in filter(None, (self.console, self._copy)):
            for renderable in renderables:
                # text keeps its own line ends, tables are fitted; a path may hold [brackets], which are no markup
                console.print(renderable, markup=False, soft_wrap=isinstance(renderable, str))
        if self._copy:
            self._file.flush()

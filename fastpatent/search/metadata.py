"""What is known of drawings beside their pixels, from a table: that of `fastpatent data build`, of IMPACT, or any other."""

import datetime
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from fastpatent.data.impact.patents import literal_texts, read_patents
from fastpatent.data.tables import column_names, read_rows
from fastpatent.errors import DataError, nearest
from fastpatent.search.generation import Facts
from fastpatent.search.sources import Wanted

PATH, PATENT = ("path", "file"), ("patent", "identity", "id")
# Column of an index: names it may have in a table, of which the first that is there counts.
COLUMNS = {
    "patent": PATENT,
    "title": ("title",),
    "classes": ("classes", "class", "national_classes", "category"),
    "locarno": ("locarno", "locarno_class"),
    "date": ("date",),
    "view": ("view",),
}
IMPACT, SEARCHED = "file_names", "class_search"  # columns that its tables alone have
SEPARATOR = re.compile(r"[;,]")  # of several classes
LOCARNO = re.compile(r"(\d\d)[-. ]?(\d\d)", re.ASCII)  # written as in "09-01"
EXAMPLES = 3
logger = logging.getLogger(__name__)


class Metadata:
    """The rows of a table, by drawing or by patent.

    Args:
        path: CSV or Parquet file with a column `path` or `patent`, and any others of COLUMNS; or a CSV file of IMPACT.

    Raises:
        DataError: it cannot be read, has none of these columns, two rows of one drawing or patent, or a wrong date.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self._folder = os.fspath(path), os.path.dirname(os.path.abspath(path))
        self._rows: dict[str, tuple[str, dict[str, str]]] = {}  # {path or patent: (its position, its texts)}
        self._used: set[str] = set()
        self._malformed: list[str] = []
        names = column_names(path)
        for key, where, row in self._of_impact(names) if IMPACT in names else self._of_table(names):
            if key in self._rows:
                raise DataError(f"{where}: a second row for {key}, the first is {self._rows[key][0]}")
            self._rows[key] = where, row
            _date(row.get("date", ""), where)  # a wrong one is said before anything is extracted
        if self._malformed:
            logger.warning(f"{len(self._malformed)} rows of metadata are skipped, first {self._malformed[0]}")

    def facts(self, drawing: Wanted) -> Facts | None:
        """Return what the table has of a drawing, None where it has no row; its own patent where it has no other."""
        below = os.path.relpath(drawing.path, self._folder)
        keys = (drawing.path, drawing.name, below, drawing.patent, drawing.patent.rpartition("/")[2])
        key = next((key for key in keys if key in self._rows), None)
        if key is None:
            return None
        self._used.add(key)
        where, row = self._rows[key]
        classes = tuple(filter(None, (" ".join(part.split()) for part in SEPARATOR.split(row.get("classes", "")))))
        patent = row.get("patent") or drawing.patent
        title, locarno, view = (row.get(name, "").strip() for name in ("title", "locarno", "view"))
        if digits := LOCARNO.fullmatch(locarno):
            locarno = f"{digits[1]}-{digits[2]}"
        return Facts(patent, title, classes, locarno, _date(row.get("date", ""), where), view)

    def report_unused(self) -> None:
        """Warn of rows that no drawing has asked for."""
        if unused := [key for key in self._rows if key not in self._used]:
            names = ", ".join(unused[:EXAMPLES])
            logger.warning(f"{self.path}: {len(unused)} of {len(self._rows)} rows are of no drawing of the index: {names}")

    def _of_table(self, names: Sequence[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield (path or patent, position, {column: text}) of the rows."""
        chosen = {column: name for column, known in COLUMNS.items() if (name := _first(known, names))}
        key = _first(PATH, names) or chosen.pop("patent", None)
        known = sorted({*PATH, *(name for others in COLUMNS.values() for name in others)})
        if key is None:
            raise DataError(f"{self.path}: no column is called path or patent; it has {', '.join(names[:30])}")
        if not chosen:
            raise DataError(f"{self.path}: beside {key} it has none of the columns {', '.join(COLUMNS)}")
        if unknown := [name for name in names if name not in (key, *chosen.values())]:
            hints = {name: nearest(name, known) for name in unknown}
            noted = [f"{name}{hint}" if "did you mean" in hint else name for name, hint in hints.items()]
            logger.warning(f"{self.path}: columns that are not used: {', '.join(noted)}")
        for where, (name, *texts) in read_rows(self.path, [key, *chosen.values()], self._malformed, ";"):
            if not name:
                self._malformed.append(f"{where}: {key} is empty")
                continue
            yield os.path.normpath(name) if key in PATH else name, where, dict(zip(chosen, texts))

    def _of_impact(self, names: Sequence[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield as `_of_table`; the first of the classes that were searched is the Locarno class."""
        searched = read_rows(self.path, [SEARCHED], []) if SEARCHED in names else ()
        locarno = {where: (literal_texts(text) or [""])[0] for where, (text,) in searched}
        skipped: dict[str, list[str]] = {}
        for patent in read_patents(self.path, "title", skipped):
            row = {"title": patent.title, "classes": patent.category or "", "date": patent.identity.rpartition("-")[2]}
            yield patent.identity, patent.where, row | {"locarno": locarno.get(patent.where, "")}
        self._malformed += [case for cases in skipped.values() for case in cases]


def _date(written: str, where: str) -> datetime.date | None:
    if not (written := written.strip()):
        return None
    with suppress(ValueError):
        return datetime.date.fromisoformat(written[:10])
    raise DataError(f"{where}: the date {written[:20]!r} is not written as 2018-01-31")


def _first(known: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in known if name in names), None)

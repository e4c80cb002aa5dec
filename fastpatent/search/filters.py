"""Filters of a search: `locarno = 09-01 and (date >= 2018 or title ~ "tea kettle")`, read without running anything."""

import calendar
import datetime
import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute

from fastpatent.errors import DataError, nearest, shown
from fastpatent.files import read_regular
from fastpatent.search.index import Index
from fastpatent.search.metadata import LOCARNO
from fastpatent.text import escaped

compute: Any = pyarrow.compute  # its functions are made when it is imported
Chosen = Callable[[Index], np.ndarray]  # bool [drawings]
# Field: its column, and what it can be compared by.
FIELDS = {
    "class": ("classes", ("=", "!=", "~", "in")),
    "locarno": ("locarno", ("=", "!=", "in")),
    "date": ("date", ("=", "!=", "<", "<=", ">", ">=", "in")),
    "title": ("title", ("=", "!=", "~", "in")),
    "view": ("view", ("=", "!=", "in")),
    "patent": ("patent", ("=", "!=", "in")),
}
TREES = ("class", "locarno")  # a value stands for all below it: 09 for 09-01, D9 for D9/500
WORDS = ("and", "or", "not", "in")
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<sign>!=|<=|>=|[=<>~(),])|(?P<word>[^\s"'=<>~(),!]+)|(?P<wrong>\S))"""
)
DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)
MOST = 10_000  # letters of a filter; lists of more names are in files
MOST_DEPTH = 50  # brackets and `not` within each other
MOST_BYTES = 2**26  # of a list of names


class Filter(NamedTuple):
    """A filter as it was written, and which drawings of an index pass it: bool [drawings], or None where all do."""

    text: str = ""
    passed: np.ndarray | None = None


class Token(NamedTuple):
    kind: str  # text, in quotation marks; sign; word; end
    value: str


def apply_filter(index: Index, text: str, files: bool = False) -> Filter:
    """Return which drawings of an index pass a filter; docs/search.md describes the language.

    Args:
        index: that is searched.
        text: the filter; "" passes all.
        files: whether `in @FILE` may read a file: not where the filter comes from another machine.

    Raises:
        DataError: it is no filter, it asks for what the index does not know, or a list of names cannot be read.
    """
    if not text.strip():
        return Filter()
    return Filter(text, _Reader(text, files).read()(index))


class _Reader:
    """Reads a filter by recursive descent: `or` of `and` of `not`, brackets and comparisons."""

    def __init__(self, text: str, files: bool) -> None:
        if len(text) > MOST:
            raise DataError(f"the filter has {len(text):,} letters, it may have {MOST:,}; `patent in @FILE` reads a list")
        if escaped(text) != text:
            raise DataError(f"the filter has letters that cannot be shown: {shown(text)}")
        self.tokens, self.place, self.depth, self.files = _tokens(text), 0, 0, files

    def read(self) -> Chosen:
        chosen = self._either()
        if self._now.kind != "end":
            raise self._wrong("and, or, or the end")
        return chosen

    @property
    def _now(self) -> Token:
        return self.tokens[self.place]

    def _next(self) -> Token:
        self.place += 1
        return self.tokens[self.place - 1]

    def _takes(self, value: str) -> bool:
        """Pass over a sign or a word of the language, where it comes next."""
        found = self._now.kind in ("sign", "word") and self._now.value.lower() == value
        self.place += found
        return found

    def _wrong(self, expected: str) -> DataError:
        before = " ".join(token.value for token in self.tokens[max(0, self.place - 3) : self.place])
        found = f"not {shown(self._now.value)}" if self._now.kind != "end" else "and it ends"
        after = f" after {shown(before)}" if before else ""
        return DataError(f"the filter has to go on with {expected}{after}, {found}")

    def _either(self) -> Chosen:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return lambda index: reduce(np.logical_or, (part(index) for part in parts))

    def _both(self) -> Chosen:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return lambda index: reduce(np.logical_and, (part(index) for part in parts))

    def _one(self) -> Chosen:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise DataError(f"the filter has more than {MOST_DEPTH} brackets or `not` within each other")
        if self._takes("not"):
            negated = self._one()
            chosen: Chosen = lambda index: ~negated(index)  # noqa: E731
        elif self._takes("("):
            chosen = self._either()
            if not self._takes(")"):
                raise self._wrong("and, or, or )")
        else:
            chosen = self._comparison()
        self.depth -= 1
        return chosen

    def _comparison(self) -> Chosen:
        if self._now.kind != "word":
            raise self._wrong(f"a field ({', '.join(FIELDS)}), not or (")
        name = self._next().value.lower()
        if name not in FIELDS:
            raise DataError(f"the filter has a field {shown(name)}, which no index has{nearest(name, FIELDS)}")
        signs = FIELDS[name][1]
        sign = next((sign for sign in signs if self._takes(sign)), None)
        if sign is None:
            raise self._wrong(f"one of {' '.join(signs)}")
        values = self._values() if sign == "in" else [self._value()]
        return _comparison(name, sign, values)

    def _values(self) -> Sequence[str]:
        if self._now.kind == "word" and self._now.value.startswith("@"):
            return self._listed(self._next().value[1:] or self._value())
        if not self._takes("("):
            raise self._wrong("( or @FILE")
        values = [self._value()]
        while self._takes(","):
            values.append(self._value())
        if not self._takes(")"):
            raise self._wrong(", or )")
        return values

    def _value(self) -> str:
        if self._now.kind == "word" and self._now.value.lower() not in WORDS:
            return self._next().value
        if self._now.kind != "text":
            raise self._wrong("a value")
        return self._next().value[1:-1]

    def _listed(self, path: str) -> Sequence[str]:
        if not self.files:
            raise DataError("the filter asks for a file, @FILE, which is for the command line alone; write in (A, B)")
        try:
            text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise DataError(f"{path}: this list of a filter cannot be read: {reason}") from error
        names = [name for line in text.splitlines() if (name := line.strip())]
        if not names:
            raise DataError(f"{path}: this list of a filter has no names; write one a line")
        return names


def _tokens(text: str) -> list[Token]:
    tokens = []
    for match in TOKEN.finditer(text.rstrip()):
        kind = str(match.lastgroup)
        if kind == "wrong":
            reason = "which is not closed" if match[kind] in "\"'" else "which means nothing there"
            raise DataError(f"the filter has a {match[kind]} at letter {match.start(kind) + 1}, {reason}")
        tokens.append(Token(kind, match[kind]))
    return [*tokens, Token("end", "")]


def _comparison(name: str, sign: str, values: Sequence[str]) -> Chosen:
    """Return the test of one field; DataError where a value is of the wrong form."""
    column = FIELDS[name][0]
    if name == "date":
        test = _date_test("=" if sign in ("in", "!=") else sign, [_period(value) for value in values])
    elif sign == "~" and name == "title":
        test = _words_test(values[0])
    else:
        test = _text_test(name, values, begins=sign == "~")

    def chosen(index: Index) -> np.ndarray:
        found = index.drawings[column].chunk(0)
        if not _is_known(found):
            raise DataError(f"{index.folder}: knows no {name} of its drawings, so none can be chosen by it; add --metadata")
        return test(found) ^ (sign == "!=")

    return chosen


def _is_known(column: pyarrow.Array) -> bool:
    if pyarrow.types.is_string(column.type):
        return bool(compute.any(compute.not_equal(column, "")).as_py())
    return bool(len(column.flatten())) if pyarrow.types.is_list(column.type) else column.null_count < len(column)


def _text_test(name: str, values: Sequence[str], begins: bool = False) -> Callable[[pyarrow.Array], np.ndarray]:
    """Return whether a text, or one of a list of texts, is one of some values, or begins so, in capitals or not."""
    if name == "locarno":
        values = ["-".join(digits.groups()) if (digits := LOCARNO.fullmatch(value)) else value for value in values]
    wanted = compute.utf8_lower(pyarrow.array([" ".join(value.split()) for value in values], pyarrow.string()))

    def test(column: pyarrow.Array) -> np.ndarray:
        is_list = pyarrow.types.is_list(column.type)
        texts = compute.utf8_lower(compute.list_flatten(column) if is_list else column)
        found = compute.is_in(texts, value_set=wanted)
        if name in TREES:
            for value in filter(None, wanted.to_pylist()):
                for separator in ("",) if begins else ("-", "/"):
                    found = compute.or_(found, compute.starts_with(texts, value + separator))
        passed = _bools(found)
        if not is_list:
            return passed
        of_drawings = np.zeros(len(column), bool)
        of_drawings[compute.list_parent_indices(column).to_numpy()[passed]] = True
        return of_drawings

    return test


def _words_test(value: str) -> Callable[[pyarrow.Array], np.ndarray]:
    """Return whether a text has all of some words, in any order, in capitals or not."""
    words = re.findall(r"\w+", compute.utf8_lower(pyarrow.scalar(value)).as_py())
    if not words:
        raise DataError(f"the filter asks for the words {shown(value)}, and there is no word in it")

    def test(column: pyarrow.Array) -> np.ndarray:
        texts = compute.utf8_lower(column)
        patterns = (rf"(?:^|[^\pL\pN_]){re.escape(word)}(?:[^\pL\pN_]|$)" for word in words)
        return reduce(np.logical_and, (_bools(compute.match_substring_regex(texts, pattern)) for pattern in patterns))

    return test


def _date_test(sign: str, periods: Sequence[tuple[datetime.date, datetime.date]]) -> Callable[[pyarrow.Array], np.ndarray]:
    """Return whether a date is in one of some periods, or before or after one; an unknown date is neither."""
    tests = {
        "=": lambda column, *ends: compute.and_(compute.greater_equal(column, ends[0]), compute.less_equal(column, ends[1])),
        "<": lambda column, first, last: compute.less(column, first),
        "<=": lambda column, first, last: compute.less_equal(column, last),
        ">": lambda column, first, last: compute.greater(column, last),
        ">=": lambda column, first, last: compute.greater_equal(column, first),
    }

    def test(column: pyarrow.Array) -> np.ndarray:
        found = (tests[sign](column, *(pyarrow.scalar(day, pyarrow.date32()) for day in period)) for period in periods)
        return reduce(np.logical_or, (_bools(compute.fill_null(passed, False)) for passed in found))

    return test


def _period(value: str) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day of a year, a month or a day."""
    written = DATE.fullmatch(value)
    try:
        if not written:
            raise ValueError
        year, month, day = (int(part) if part else 0 for part in written.groups())
        first, last_month = datetime.date(year, month or 1, day or 1), month or 12
        return first, datetime.date(year, last_month, day or calendar.monthrange(year, last_month)[1])
    except ValueError as error:
        raise DataError(f"the filter has the date {shown(value)}; write 2018, 2018-01 or 2018-01-31") from error


def _bools(found: Any) -> np.ndarray:
    return found.to_numpy(zero_copy_only=False).astype(bool)

"""A query in an address: drawing=upload:ID;crop=1,2,3,4&text=a+kettle&where=date>=2018, read and written."""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from PIL import Image

from fastpatent.errors import DataError, nearest, shown
from fastpatent.search.index import DRAWING_NAME, Index
from fastpatent.search.query import Crop, K, Query, View, views_of

UPLOAD, PATENT, DRAWING = KINDS = ("upload", "patent", "drawing")
IDS = {UPLOAD: re.compile(r"[0-9a-f]{32}", re.ASCII), DRAWING: DRAWING_NAME}
MIRROR = ";mirror"
CROP = re.compile(r";crop=(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})\Z", re.ASCII)
# name of a parameter: field of `Question`
REPEATED = {"drawing": "views", "minus": "minus", "text": "texts", "exclude": "exclude"}
SINGLE = ("where", "k", "expand", "own", "weight", "minus_weight")
NAMES = (*REPEATED, *SINGLE)
MOST_REPEATED = 20  # values of a parameter that may be given again
MOST_VIEWS = 200  # drawings of a query, those of its patents counted one by one
MOST_K, MOST_EXPAND, MOST_TEXT, MOST_NAME, MOST_WHERE = 500, 100, 1000, 1000, 2000
Uploads = Callable[[str], bytes | None]


class Asked(NamedTuple):
    """A drawing of a question.

    Attributes:
        kind: UPLOAD, PATENT or DRAWING.
        name: hex BLAKE2b of the PNG of the upload; name of the patent, all of whose drawings count; `Index.name` of a
            drawing of the index.
        crop: left, top, width and height in pixels of the drawing, upright; None: all of it.
        mirror: whether left and right are exchanged, after the crop.
    """

    kind: str
    name: str
    crop: Crop | None = None
    mirror: bool = False

    @classmethod
    def of(cls, text: str) -> "Asked":
        """Read `KIND:NAME[;crop=X,Y,W,H][;mirror]`, from its end: names may have semicolons; DataError where it is none."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in KINDS:
            raise DataError(f"{shown(text)} is no drawing: write upload:ID, patent:NAME or drawing:ID")
        crop, mirror = None, False
        while True:
            if rest.endswith(MIRROR) and not mirror:
                rest, mirror = rest.removesuffix(MIRROR), True
            elif (found := CROP.search(rest)) and not crop:
                rest, crop = rest[: found.start()], found
            else:
                break
        name = rest.removesuffix(";")
        if not 0 < len(name) <= MOST_NAME or (kind in IDS and not IDS[kind].fullmatch(name)):
            raise DataError(f"{shown(text)} is no drawing: its name is no {'patent' if kind == PATENT else 'digest'}")
        if crop and kind == PATENT:
            raise DataError(f"{shown(text)}: a patent has several drawings and cannot be cropped; crop one of them")
        left, top, width, height = map(int, crop.groups()) if crop else (0, 0, 0, 0)
        return cls(kind, name, (left, top, width, height) if crop else None, mirror)

    def __str__(self) -> str:
        """Write what `of` reads; a last semicolon ends a name that would be read as more."""
        end = ";" if self.name.endswith((";", MIRROR)) or CROP.search(self.name) else ""
        crop = f";crop={','.join(map(str, self.crop))}" if self.crop else ""
        return f"{self.kind}:{self.name}{end}{crop}{MIRROR if self.mirror else ''}"


@dataclass(frozen=True)
class Question:
    """What a client asks of the index; fields as of `fastpatent.search.query.Query`, with the filter and k."""

    views: tuple[Asked, ...] = ()
    minus: tuple[Asked, ...] = ()
    texts: tuple[str, ...] = ()
    where: str = ""
    k: int = K
    expand: int = 0
    own: bool = False
    exclude: tuple[str, ...] = ()
    weight: float = 0.5
    minus_weight: float = 0.5

    @classmethod
    def of(cls, params: Iterable[tuple[str, str]], others: Sequence[str] | None = None) -> "Question":
        """Read the parameters of an address; empty ones, as forms send them, count as not given.

        Args:
            params: (name, value).
            others: names of further parameters that there may be; None: any.

        Raises:
            DataError: a parameter is wrong, is there twice, or is none of these.
        """
        values: dict[str, Any] = {}
        for name, text in params:
            field = REPEATED.get(name, name)
            if name not in NAMES:
                if others is not None and name not in others:
                    raise DataError(f"there is no parameter {shown(name)}{nearest(name, NAMES)}")
            elif not text.strip():
                continue
            elif name in REPEATED:
                if len(values.setdefault(field, ())) == MOST_REPEATED:
                    raise DataError(f"{name}: there are more than {MOST_REPEATED}")
                values[field] += (_read_repeated(name, text),)
            elif field in values:
                raise DataError(f"{name}: is given twice")
            else:
                values[field] = _read_single(name, text)
        return cls(**values)

    @classmethod
    def of_address(cls, address: str) -> "Question":
        """Read what `address` writes; errors as of `of`."""
        return cls.of(parse_qsl(address.partition("#")[0].partition("?")[2]))

    def params(self) -> list[tuple[str, str]]:
        """Return what `of` reads, without what is as if not given."""
        repeated = [(name, str(value)) for name, field in REPEATED.items() for value in getattr(self, field)]
        single = [(name, getattr(self, name)) for name in SINGLE if getattr(self, name) != getattr(Question, name)]
        return repeated + [(name, _written(value)) for name, value in single]

    def address(self, path: str = "/", **more: Any) -> str:
        """Return a path with the question behind it, and with more parameters."""
        params = urlencode([*self.params(), *more.items()])
        return f"{path}?{params}" if params else path

    def query(self, index: Index, uploads: Uploads) -> Query:
        """Return the query of an index.

        Args:
            index: that is searched.
            uploads: function of an ID that returns the PNG of an upload; None where there is none.

        Raises:
            DataError: a drawing is not there, or there are too many.
        """
        views, minus = (
            [view for asked in side for view in _views(index, asked, uploads)] for side in (self.views, self.minus)
        )
        if len(views) + len(minus) > MOST_VIEWS:
            raise DataError(f"the query has {len(views) + len(minus)} drawings, it may have {MOST_VIEWS}")
        rest = self.expand, self.exclude, self.own, self.weight, self.minus_weight
        return Query(views, self.texts, minus, *rest)


def _views(index: Index, asked: Asked, uploads: Uploads) -> list[View]:
    if asked.kind == PATENT:
        return [view._replace(mirror=asked.mirror) for view in views_of(index, asked.name)]
    if asked.kind == DRAWING:
        if (row := index.row_of(asked.name)) is None:
            raise DataError(f"{index.folder}: has no drawing {asked.name}; it was perhaps removed")
        return [View(row, asked.crop, asked.mirror)]
    if (png := uploads(asked.name)) is None:
        raise DataError(f"the upload {asked.name} is not here any more; upload the drawing again")
    return [View(_loaded(png), asked.crop, asked.mirror, name=f"upload {asked.name}")]


def _loaded(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png), formats=("PNG",))  # made by the worker, so within its bounds
    image.load()
    return image


def _written(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return value if isinstance(value, str) else f"{value:d}"


def _read_repeated(name: str, text: str) -> Asked | str:
    if name in ("drawing", "minus"):
        return Asked.of(text)
    most = MOST_TEXT if name == "text" else MOST_NAME
    if len(text) > most:
        raise DataError(f"{name}: has {len(text):,} letters, it may have {most:,}")
    return text


def _read_single(name: str, text: str) -> Any:
    if name == "where":
        if len(text) > MOST_WHERE:
            raise DataError(f"where: has {len(text):,} letters, it may have {MOST_WHERE:,}")
        return text
    if name == "own":
        if text not in ("0", "1"):
            raise DataError(f"own: is {shown(text)}, not 0 or 1")
        return text == "1"
    if name in ("k", "expand"):
        least, most = (1, MOST_K) if name == "k" else (0, MOST_EXPAND)
        if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not least <= int(text) <= most:
            raise DataError(f"{name}: is {shown(text)}, not a number of {least} to {most}")
        return int(text)
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", text, re.ASCII):  # `check_query` knows the bounds
        raise DataError(f"{name}: is {shown(text)}, not a number such as 0.5")
    return float(text)

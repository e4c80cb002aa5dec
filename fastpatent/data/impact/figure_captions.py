"""The text of each sheet of a patent."""

import re
from collections.abc import Sequence

from fastpatent.data.impact.patents import SHEET, Patent, literal_texts

# The latter form is that of Hague designs; Python converts no text of thousands of digits.
FIGURE = re.compile(r"(?:FIGS?\.?|FIGURE) *(\d{1,9})(?![\dA-Za-z])|1\.(\d{1,9}) *:", re.IGNORECASE)
ONLY_FIGURE = re.compile(r"(?:The )?(?:sole |only |single )?FIGURE (?!\d)", re.IGNORECASE)


def sheet_texts(patent: Patent, text: str) -> list[str | None]:
    """Return the text of every sheet of a `Patent`, in order; None where there is none.

    Caption and title are those of the patent. For "description", sheet n gets the description of FIG. n where the patent
    has as many descriptions as sheets, so that each sheet shows one figure. The front page D00000 always gets that of
    FIG. 1. Where there is no such description, the title is used.

    Raises:
        ValueError: the descriptions are not a list.
    """
    if text != "description":
        return [patent.text or None] * len(patent.sheets)
    descriptions = literal_texts(patent.text)
    if descriptions is None:
        raise ValueError(f"fig_desc is not a list of texts: {patent.text[:60]!r}")
    numbers = [_sheet_number(sheet) for sheet in patent.sheets]
    one_each = len(descriptions) == sum(number > 0 for number in numbers)
    by_figure = figure_descriptions(descriptions)
    shown = [max(number, 1) if one_each or number == 0 else None for number in numbers]
    return [(by_figure.get(figure) if figure else None) or patent.title or None for figure in shown]


def figure_descriptions(descriptions: Sequence[str]) -> dict[int, str]:
    """Return {number of a figure: its description}; remarks and descriptions of no figure are skipped.

    IMPACT's lists are the first paragraphs of the patent, so a remark at their start moves all others by one. So the number
    at the start of a description is used, not its position.
    """
    found: dict[int, str] = {}
    for description in descriptions:
        figure = FIGURE.match(description)
        if figure:
            found.setdefault(int(figure[1] or figure[2]), description.strip())
        elif ONLY_FIGURE.match(description):
            found.setdefault(1, description.strip())
    return found


def _sheet_number(sheet: str) -> int:
    found = SHEET.fullmatch(sheet)
    assert found, "checked by `read_patents`"
    return int(found[2])

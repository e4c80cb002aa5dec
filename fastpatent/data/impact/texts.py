"""Which text goes with a sheet of a patent."""

import re

from fastpatent.data.impact.patents import SHEET, literal_texts

FIGURE = re.compile(r"(?:FIGS?\.?|FIGURE) *(\d+)(?![\dA-Za-z])|1\.(\d+) *:", re.IGNORECASE)  # the latter in Hague designs
ONLY_FIGURE = re.compile(r"(?:The )?(?:sole |only |single )?FIGURE (?!\d)", re.IGNORECASE)


def sheet_texts(patent, text):
    """Return the text of every sheet of a `Patent`, in order: list of str, None where there is none.

    Caption and title are those of the patent. For "description", sheet n takes the description of FIG. n where the patent
    has as many descriptions as sheets, so that each sheet shows one figure. The front page D00000 takes that of FIG. 1,
    however many there are. Where there is no such description, the title stands in.

    Raises:
        ValueError: the descriptions are no list.
    """
    if text != "description":
        return [patent.text or None] * len(patent.sheets)
    descriptions = literal_texts(patent.text)
    if descriptions is None:
        raise ValueError(f"fig_desc is no list of texts: {patent.text[:60]!r}")
    numbers = [int(SHEET.fullmatch(sheet)[2]) for sheet in patent.sheets]
    one_each = len(descriptions) == sum(number > 0 for number in numbers)
    by_figure = figure_descriptions(descriptions)
    shown = [max(number, 1) if one_each or number == 0 else None for number in numbers]
    return [by_figure.get(figure) or patent.title or None for figure in shown]


def figure_descriptions(descriptions):
    """Return {number of a figure: its description}; remarks and descriptions of no figure are left out.

    IMPACT's lists are the first paragraphs of the patent, so a remark at their start moves all others by one: what counts
    is the number that a description begins with.
    """
    found = {}
    for description in descriptions:
        figure = FIGURE.match(description)
        if figure:
            found.setdefault(int(figure[1] or figure[2]), description.strip())
        elif ONLY_FIGURE.match(description):
            found.setdefault(1, description.strip())
    return found

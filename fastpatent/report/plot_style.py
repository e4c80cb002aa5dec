"""The style of all plots, and plots for pages."""

import io
from typing import TYPE_CHECKING

from markupsafe import Markup

from fastpatent.report.picture import data_url

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

COLOURS = (  # Okabe & Ito, 2008, without the yellow
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)
LABEL = 100  # characters of a label, which widens the picture
STYLE: "dict[RcKeyType, str | float | bool]" = {
    "text.parse_math": False,  # a name may have $ in it
    "font.family": "DejaVu Sans",  # shipped with Matplotlib
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


def chart_url(figure: "Figure", kind: str = "svg") -> Markup:
    """Return a figure drawn in STYLE as a data URL, for a page that loads nothing.

    Args:
        figure: Matplotlib figure.
        kind: "svg", or "png" where thousands of marks would make an SVG large.
    """
    encoded = io.BytesIO()
    figure.savefig(encoded, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return data_url(encoded.getvalue(), "image/svg+xml" if kind == "svg" else "image/png")

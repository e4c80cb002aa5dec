"""What a sweep writes of its trials: a page and a configuration of the best, after every trial, and a table in the log."""

import math
import time
from typing import Any

from matplotlib import rc_context
from rich.table import Table

from fastpatent.config.report import short_value
from fastpatent.files import check_output, write_atomically
from fastpatent.report.page import is_page, render
from fastpatent.report.plot_style import STYLE, chart_url
from fastpatent.tuning.pictures import importance_figure, parallel_figure, progress_figure
from fastpatent.tuning.study import Row, Study
from fastpatent.tuning.trial import Base, is_ours

PAGE, BEST, TEMPLATE = "index.html", "best.yml", "sweep.html"
SHARE = 0.05  # of the time of a sweep goes into its page, where trials take a second
LISTED = 5  # best trials, in the log


class Report:
    """The page and the best configuration of a sweep.

    Args:
        study: the trials.
        base: the configuration that varies.

    Raises:
        DataError: files of their names are there that no sweep has written.
    """

    def __init__(self, study: Study, base: Base) -> None:
        self.study, self.base, self._earliest = study, base, 0.0
        self.page = check_output(study.folder / PAGE, "--out", lambda path: is_page(path, TEMPLATE))
        self.best = check_output(study.folder / BEST, "--out", is_ours)

    def changed(self) -> None:
        """Write both; a page that was just written stays where trials end faster than it is drawn."""
        if time.monotonic() >= self._earliest:
            self.write()

    def write(self) -> None:
        """Write both."""
        begun = time.monotonic()
        rows, ranked = self.study.rows(), self.study.ranked()
        if ranked:
            self.base.write(self.best, self.study.space.values(ranked[0].params), self.study.folder / "best")
        page = self._page(rows, ranked[0] if ranked else None)
        write_atomically(self.page, lambda temporary: temporary.write_text(page, encoding="utf-8"))
        self._earliest = time.monotonic() + (time.monotonic() - begun) / SHARE

    def table(self) -> Table:
        """Return the best few trials."""
        table = Table("trial", self.base.metric, "settings", box=None)
        for row in self.study.ranked()[:LISTED]:
            table.add_row(str(row.number), reached(row), ", ".join(self._settings(row)))
        return table

    def _page(self, rows: list[Row], best: Row | None) -> str:
        space, metric = self.study.space, self.base.metric
        counts = {state: sum(row.state == state for row in rows) for state in ("finished", "pruned", "failed", "running")}
        keys = [
            {"title": key, "number": _are_numbers(space.values(row.params).get(key) for row in rows)} for key in space.keys
        ]
        return render(
            TEMPLATE,
            f"Sweep of {len(space.keys)} keys",
            facts=[
                f"{metric} on {self.base.test_set}",
                self.base.config_file,
                *(f"{count} {state}" for state, count in counts.items() if count),
            ],
            metric=metric,
            file=self.best,
            base=self._of_base(rows),
            best=best and {"number": best.number, "reached": reached(best), "settings": self._settings(best)},
            columns=[
                {"title": "trial", "number": True},
                {"title": "state", "choose": True},
                {"title": metric, "number": True},
                *([] if space.only_ranks else [{"title": "epochs", "number": True}]),
                {"title": "seconds", "number": True},
                *keys,
                {"title": "why"},
            ],
            rows=[
                [
                    row.number,
                    row.state,
                    reached(row),
                    *([] if space.only_ranks else [max(row.curve, default="")]),
                    "" if row.seconds is None else f"{row.seconds:.0f}",
                    *(self._cell(row, key) for key in space.keys),
                    row.why,
                ]
                for row in [*self.study.ranked(), *(row for row in rows if row.state != "finished")]
            ],
            charts=self._charts(rows, best),
        )

    def _charts(self, rows: list[Row], best: Row | None) -> list[dict[str, Any]]:
        space, metric, formula = self.study.space, self.base.metric, self.base.formula
        if all(row.value is None for row in rows):
            return []
        with rc_context(STYLE):
            charts = [(progress_figure(rows, metric, formula, best), "What the trials reached", "Each line or dot is one.")]
            if importance := self.study.importance():
                of = f"{len(self.study.ranked())} finished trials"
                caption = f"By fANOVA over {of}, the largest first; of few trials it is a hint."
                charts.append((importance_figure(importance), "Importance of keys", caption))
            caption = "Each line is a trial, the darker the better; pruned ones are dashed."
            charts.append((parallel_figure(rows, space, metric, formula), "Values that go together", caption))
            return [
                {"url": chart_url(figure), "alt": title, "caption": f"{title}. {more}"} for figure, title, more in charts
            ]

    def _of_base(self, rows: list[Row]) -> str:
        point = self.study.space.point_of(self.base.cfg)
        same = [row for row in rows if row.params == point and row.state == "finished"]
        return reached(same[0]) if same else ""

    def _settings(self, row: Row) -> list[str]:
        return [f"{key} {short_value(value)}" for key, value in self.study.space.values(row.params).items()]

    def _cell(self, row: Row, key: str) -> str:
        values = self.study.space.values(row.params)
        return short_value(values[key]) if key in values else ""


def reached(row: Row) -> str:
    """Return what a trial reached: with several seeds the mean, and the lowest and highest."""
    if row.value is None or math.isnan(row.value):
        return ""
    every = [row.value, *row.others]
    spread = f" ({min(every):.4f} to {max(every):.4f}, {len(every)} seeds)" if row.others else ""
    return f"{row.mean:.4f}{spread}"


def _are_numbers(values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None)

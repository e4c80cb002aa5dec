"""The page of a sweep, opened in a browser."""

from pathlib import Path

import pytest

from fastpatent.config import load_config
from fastpatent.retrieval.metrics import METRICS
from fastpatent.tuning.page import Report
from fastpatent.tuning.space import read_space
from fastpatent.tuning.study import Study, identity_of
from fastpatent.tuning.trial import Base

SPACE = """\
SOLVER.BASE_LR: {low: 1.0e-4, high: 1.0e-1, log: true}
SOLVER.OPT: [Adam, SGD, AdamW]
MODEL.LOSSES.NAME: [[CrossEntropyLoss], [CrossEntropyLoss, TripletLoss]]
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page of a study of 12 trials: trial n reaches n / 20, but the eleventh is pruned and the last has failed."""
    monkeypatch.chdir(tmp_path)
    Path("space.yml").write_text(SPACE)
    Path("<b>base.yml").write_text("SEED: 0")
    space, cfg = read_space("space.yml"), load_config("<b>base.yml")
    study = Study(Path("out"), space, METRICS.get("mAP"), "random", 0, 12, identity_of(cfg, space, "random"))
    for number in range(12):
        trial = study.next()
        trial.report({epoch: number / 20 - 0.01 * (3 - epoch) for epoch in range(1, 4)})
        if number < 10:
            trial.finish(number / 20)
        elif number == 10:
            trial.prune()
        else:
            trial.fail("<script>alert(1)</script> no luck")
    report = Report(study, Base(cfg, "<b>base.yml", {}, "Drawings", "mAP", METRICS.get("mAP")))
    report.write()
    return report.page.absolute()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_sorts_filters_and_shows_its_charts(page, open_page, width):
    opened = open_page(page, width)
    assert opened.locator("h1").inner_text() == "Sweep of 3 keys"
    assert "10 finished" in opened.locator(".facts").inner_text() and "<b>base.yml" in opened.locator(".facts").inner_text()
    assert opened.locator("#best p").first.inner_text().startswith("Trial 9 reached mAP 0.4500.")
    rows = opened.locator("#trials tbody tr")
    assert rows.count() == 12
    assert rows.first.locator("td").first.inner_text() == "9"  # the best
    opened.get_by_role("button", name="mAP").click()
    assert rows.first.locator("td").nth(2).inner_text() == "0.0000"
    opened.locator("#trials select").select_option("failed")
    assert [row.inner_text() for row in rows.all() if row.is_visible()][0].endswith("<script>alert(1)</script> no luck")
    images = opened.locator("#charts img")
    assert images.count() == 3  # values by epoch, importance, parallel coordinates
    for number in range(3):
        assert images.nth(number).evaluate("image => image.complete && image.naturalWidth > 100")


def test_a_study_without_a_result_has_a_page_without_charts(page, open_page, monkeypatch):
    monkeypatch.chdir(page.parent)
    space = read_space("../space.yml")
    cfg = load_config("../<b>base.yml")
    study = Study(Path("empty"), space, METRICS.get("mAP"), "random", 0, 1, identity_of(cfg, space, "random"))
    study.next()
    report = Report(study, Base(cfg, "<b>base.yml", {}, "Drawings", "mAP", METRICS.get("mAP")))
    report.write()
    opened = open_page(report.page.absolute())
    assert opened.locator("#best p").first.inner_text() == "No trial has finished yet." and not report.best.exists()
    assert opened.locator("#trials tbody tr").count() == 1 and opened.locator("main img").count() == 0

"""The page of a test and its table of queries: what they say, how they look in a browser, and what they survive."""

import csv
import hashlib
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.models import build_model
from fastpatent.report.test_report.files import check_report
from fastpatent.report.test_report.page import write_report
from tests.polygons import write_designs

SETTINGS = [
    "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.9",
    "MODEL.DEVICE", "cpu", "MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext",
    "MODEL.BACKBONE.DROP_PATH_RATIO", "0.0", "INPUT.SIZE_TEST", "[64,64]", "DATALOADER.NUM_WORKERS", "0",
]  # fmt: skip
DESCRIPTOR = ["DESCRIPTOR.NAME", "stroke_style"]
HOSTILE = '"><script>alert(1)</script><img src=//x onerror=alert(1)>\x1b\udcff$\\frac{${{7*7}}' + "n" * 100_000


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """A test of ten designs by an untrained network beside the style control: (settings, folder of the run)."""
    folder = tmp_path_factory.mktemp("tested")
    write_designs(folder / "designs", 10)
    settings = [*SETTINGS, "DATASETS.ROOT", str(folder / "designs"), "OUTPUT_DIR", str(folder / "run")]
    torch.manual_seed(0)
    network = build_model(load_config(overrides=[*settings, "MODEL.HEADS.NUM_CLASSES", "2"]))
    torch.save({"model": network.state_dict()}, folder / "net.pth")
    settings += ["MODEL.WEIGHTS", str(folder / "net.pth")]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert main(["test", "--compare", "stroke_style", *settings]) == 0
    return settings, folder / "run"


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text_of(page):
    """The texts between the tags of a page."""
    return re.sub(
        r"\s+", " ", re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page.read_text("utf-8"), flags=re.S)
    )


def test_the_table_of_queries_is_that_of_a_plain_computation(tested):
    settings, run = tested
    splits = load_test_set(load_config(overrides=settings), "Drawings")
    features = np.load(run / "features" / "Drawings.npy").astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosine = features[: len(splits.query)] @ features[len(splits.query) :].T
    rows = rows_of(run / "report" / "queries.csv")
    assert len(rows) == len(splits.query) and {row["test set"] for row in rows} == {"Drawings"}
    for row, sample, scores in zip(rows, splits.query, cosine):
        right = np.array([other.identity == sample.identity for other in splits.gallery])
        assert sample.path.endswith(row["query"]) and row["identity"] == sample.identity
        assert float(row["mAP"]) == pytest.approx(average_precision_score(right, scores), abs=1e-6)
        assert float(row["best right score"]) == pytest.approx(scores[right].max(), abs=1e-5)
        assert int(row["first correct rank"]) == 1 + (scores > scores[right].max()).sum()
        assert float(row["first answer score"]) == pytest.approx(scores.max(), abs=1e-5)
        assert splits.gallery[scores.argmax()].path.endswith(row["first answer"])
        assert row["view"] and row["ink"] and row["drawing style"]


def test_the_page_says_what_was_tested_and_how_well(tested):
    settings, run = tested
    text = text_of(run / "report" / "index.html")
    rows = rows_of(run / "report" / "queries.csv")
    mean = np.mean([float(row["mAP"]) for row in rows])
    assert f"network this page {mean:.4f} [" in text and "stroke_style + cosine style control" in text
    weights = settings[-1]
    assert weights in text and hashlib.sha256(open(weights, "rb").read()).hexdigest() in text
    assert f"{len(rows)} queries in" in text and "style control was not measured" not in text
    shown = text.count(": AP 0.")
    assert shown > 2 and text.count("Lines join") == shown  # one pair of matching regions for every query that is shown


def test_the_page_works_in_a_browser(tested, open_page):
    page = tested[1] / "report" / "index.html"
    rows = rows_of(page.with_name("queries.csv"))
    opened = open_page(page)
    queries = opened.get_by_role("region", name="queries")
    views = [row["view"] for row in rows]
    opened.locator("#queries").get_by_label("view").select_option(views[0])
    assert queries.locator("tbody tr:visible").count() == views.count(views[0])
    opened.locator("#groups").get_by_label("grouping").select_option("ink")
    assert 2 <= opened.get_by_role("region", name="groups").locator("tbody tr:visible").count() <= 4
    queries.get_by_role("button", name="AP").click()
    queries.get_by_role("button", name="AP").click()
    best = max(rows, key=lambda row: float(row["mAP"]))
    assert f"{float(best['mAP']):.4f}" in queries.locator("tbody tr:visible").first.inner_text() or views[0] != best["view"]
    for width, scheme in ((390, "dark"), (390, "light"), (1280, "dark")):
        assert open_page(page, width, color_scheme=scheme).locator("main img").last.is_visible()


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, [name for name, _ in attributes]))


def sets_named(name, root):
    """Two data sets of the drawings of a folder, one without identities and with a file that is no image."""
    paths = sorted((root / "designs").glob("*/*.png"))
    (root / "broken.png").write_bytes(b"")
    known = [Sample(str(path), f"{path.parent.name}{name}", category=f"{path.parent.name[-1:]}{name}") for path in paths]
    unknown = [sample._replace(identity=None) for sample in known]
    first = Splits("First", [], known[::4], [sample for place, sample in enumerate(known) if place % 4])
    second = Splits("Second", [], unknown[:5], unknown[5:20])
    first.warnings = [name]
    return [first, second]


@pytest.fixture
def write(tmp_path):
    """Function (name) that writes the report of `sets_named` by a descriptor; returns its folder."""
    write_designs(tmp_path / "designs", 8)

    def write_named(name):
        folder = tmp_path / "run"
        cfg = load_config(overrides=[*SETTINGS, *DESCRIPTOR, "OUTPUT_DIR", str(folder), "TEST.CACHE_FEATURES", "False"])
        pipeline, sets = Pipeline(cfg, torch.device("cpu")), sets_named(name, tmp_path)
        results = [[pipeline.evaluate(splits)] for splits in sets]
        for result in results:  # files that are gone since
            result[0].splits.query[0] = result[0].splits.query[0]._replace(path=str(tmp_path / "broken.png"))
            result[0].splits.gallery[1] = result[0].splits.gallery[1]._replace(path=str(tmp_path / "gone.png"))
        write_report(check_report(folder, sets), pipeline, results)
        return folder / "report"

    return write_named


def test_several_sets_unknown_identities_descriptors_and_unreadable_drawings(write, open_page):
    folder = write("x")
    first, second = text_of(folder / "index.html"), text_of(folder / "Second.html")
    assert "stroke_style is a descriptor, which has no feature maps" in first and "Suspected duplicates" in first
    assert "there is nothing to measure" in second and "Confusions" not in second and "nan" not in second
    assert [row["test set"] for row in rows_of(folder / "queries.csv")] == ["First"] * 8 + ["Second"] * 5
    opened = open_page(folder / "index.html")
    opened.get_by_role("link", name="Second").click()
    assert opened.title() == "stroke_style on Second"
    open_page(folder / "Second.html", 390)


def test_names_are_only_shown(write, open_page):
    harmless = [Elements(write("x") / page).found for page in ("index.html", "Second.html")]
    folder = write(HOSTILE)
    assert [Elements(folder / page).found for page in ("index.html", "Second.html")] == harmless
    open_page(folder / "index.html")
    open_page(folder / "index.html", 390)


def test_a_test_without_its_report_still_succeeds(tested, tmp_path, monkeypatch, capfd):
    settings, _ = tested
    monkeypatch.chdir(tmp_path)
    words = [*settings, *DESCRIPTOR, "MODEL.WEIGHTS", "", "OUTPUT_DIR", str(tmp_path / "run")]
    assert main(["test", *words, "TEST.REPORT", "False"]) == 0 and not (tmp_path / "run/report").exists()
    for name in ("charts", "page"):
        monkeypatch.delitem(sys.modules, f"fastpatent.report.test_report.{name}")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["test", *words]) == 0
    printed = capfd.readouterr().err
    assert "warning: no report in" in printed and "pip install 'fastpatent[report]'" in printed

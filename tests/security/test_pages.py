"""Pages, pictures and Markdown with hostile names have the elements and attributes that they have with harmless ones."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample, Splits
from fastpatent.data.statistics import QUANTITIES
from fastpatent.evaluation.benchmark import FIGURES, GROWTH_FIGURES, Benchmark, SystemResult
from fastpatent.evaluation.design_search import Answer, Found
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.intervals import Figure
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.evaluation.text_image import text_image_metrics
from fastpatent.report.benchmark.files import write_tables
from fastpatent.report.benchmark.growth_plot import write_growth_plot
from fastpatent.report.benchmark.page import write_page
from fastpatent.report.classification import class_text
from fastpatent.report.found import write_answers_page
from fastpatent.report.gallery import gallery_picture, write_gallery
from fastpatent.report.histograms import write_histograms

NAMES = [
    '"><script>alert(1)</script>',
    "' onerror='alert(1)",
    '" onmouseover="alert(1)" style="background:url(http://x)',
    "{{7*7}}{%raw%}${7*7}",
    "</title></style></h1><iframe src=//x>",
    "javascript:alert(1)#?%0d",
    "<!-- --><svg onload=alert(1)>",
    "<base href=//x><meta http-equiv=refresh content=0;url=//x>",
    "\x1b]52;c;eA==\x07\u202e\udcff\x00\n<img src=x onerror=alert(1)>",
    r"a|b`c`![i](javascript:x) \input{/etc/passwd} $\frac{$ **b** __u__ ~~s~~",
    "n" * 10_000,
    "x" * 2**20,
]
HARMLESS = "harmless"
NAMED = ("alt", "aria-label", "src")  # attributes that hold names or pictures


class Elements(HTMLParser):
    """Every element with its attributes, the values of those that hold no name, and whether it is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append(
            (tag, [(key, None if key in ("alt", "aria-label", "src") else value) for key, value in attributes])
        )
        assert all(value.startswith("data:image/png;base64,") for key, value in attributes if key == "src")
        assert all(re.fullmatch("#[a-z]+[0-9]+", value) for key, value in attributes if key == "href")
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(data)


@pytest.fixture
def drawings(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        Image.fromarray(np.where(np.eye(40, 30, number) > 0, 0, 255).astype(np.uint8)).save(path)
    return paths


def evaluation_of(name, drawings):
    """Nine drawings of three patents and one query without a drawing in the gallery, each called `name` where it has one."""
    samples = [Sample(str(path), f"{name}{number % 3}", name, name) for number, path in enumerate(drawings)]
    named = [sample._replace(path=f"{sample.path}/{name}") for sample in samples]  # not there: the path is shown
    features = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    splits = Splits(name, [], [*samples[:2], named[2]], [*samples[3:8], named[8]])
    splits.warnings = [name]
    return rank_features(Features(name, *np.split(features, [3])), splits)


def benchmark_of(name):
    figures = {key: Figure(0.5, 0.4, 0.6) for key in FIGURES}
    results = [SystemResult(f"{name}{number}", name, 3, figures, figures) for number in range(2)]
    for result in results:
        result.growth = {key: [0.5, 0.4] for key in GROWTH_FIGURES}
    counts = {"queries": 1, "database": 1, "patents": 1, "front pages": 1}
    images, texts = np.random.default_rng(1).standard_normal((2, 12, 5)).astype(np.float32)
    found = text_image_metrics(images, texts, [f"patent{row // 2}" for row in range(12)], resamples=20)
    published = [(name, name, {"mAP": 0.5})]
    made = {name: name}
    return Benchmark(name, counts, results, published, [100, 1000], made, [(name, name)], [(name, found)], [name])


def policy(text):
    """The directives of the policy, which must be ahead of all that it is for."""
    found = re.search(r'^<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta [^>]*content="([^"]*)">', text)
    return dict(directive.split(" ", 1) for directive in found[1].split("; "))


def pages(name, drawings, folder):
    """Every page that the project writes: of a benchmark with all tables and pictures, and of galleries."""
    folder.mkdir()
    evaluation = evaluation_of(name, drawings)
    pictures = [(f"t {name}", f"c {name}", drawings[0])]
    yield write_page(benchmark_of(name), pictures, folder)
    yield write_gallery(evaluation, folder / "gallery", found=4)[1]
    unknown = [sample._replace(identity=None) for sample in evaluation.splits.query]
    splits = Splits(name, [], unknown, evaluation.splits.gallery)
    yield write_gallery(Evaluation(name, splits, evaluation.ranking, None), folder / "unknown", found=4)[1]
    answers = [Answer(name, 0.5, 50.0, [f"{drawings[0]}/{name}", str(drawings[1])], True)]
    write_answers_page(folder / "found.html", [Found(name, [str(drawings[0])], answers)], name, 0)
    yield folder / "found.html"


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_element_or_attribute_of_a_page_comes_from_a_name(name, drawings, tmp_path):
    written, expected = (list(pages(of, drawings, tmp_path / of[:3].strip("/<\0")[:1])) for of in (name, HARMLESS))
    for page, harmless in zip(written, expected, strict=True):
        text = page.read_text(encoding="utf-8")
        assert Elements(text).found == Elements(harmless.read_text(encoding="utf-8")).found
        assert len(text) < 2**20 and not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        digests = {
            tag: base64.b64encode(
                hashlib.sha256(re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)[1].encode()).digest()
            ).decode()
            for tag in ("style", "script")
        }
        assert policy(text) == {
            "default-src": "'none'",
            "img-src": "data:",
            "style-src": f"'sha256-{digests['style']}'",
            "script-src": f"'sha256-{digests['script']}'",
            "base-uri": "'none'",
            "form-action": "'none'",
        }


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_is_markup_in_markdown(name, tmp_path):
    text, harmless = (
        next(path for path in write_tables(benchmark_of(of), tmp_path) if path.suffix == ".md").read_text(encoding="utf-8")
        for of in (name, HARMLESS)
    )
    active = r"(?<!\\)(?:\\\\)*[<|`\[*~]"  # neither a name's code, link, picture, HTML or emphasis, nor one cell more
    for line, expected in zip(text.split("\n"), harmless.split("\n"), strict=True):
        assert re.findall(active, line) == re.findall(active, expected)
    assert len(text) < 2**17


def test_plots(tmp_path):
    """Names that are mathematics to Matplotlib, have no glyph, or are longer than a picture may be wide."""
    benchmark = benchmark_of("")
    benchmark.results = [replace(benchmark.results[0], system=name) for name in NAMES]
    write_growth_plot(benchmark, tmp_path / "growth.png", dpi=50)
    values = {quantity: np.array([1.0, 2.0]) for quantity in QUANTITIES}
    write_histograms(dict.fromkeys(NAMES, values), tmp_path / "histograms.png", dpi=50)
    assert Image.open(tmp_path / "growth.png").size[0] < 2000


@pytest.mark.parametrize("name", [NAMES[8], *NAMES[-2:]], ids=["controls", "long", "longest"])
def test_pictures_of_galleries(name, drawings):
    evaluation = evaluation_of(name, drawings)
    assert gallery_picture(evaluation).shape == gallery_picture(evaluation_of(HARMLESS, drawings)).shape
    unknown = [sample._replace(identity=None) for sample in evaluation.splits.query]
    splits = Splits(name, [], unknown, evaluation.splits.gallery)
    assert gallery_picture(Evaluation(name, splits, evaluation.ranking, None)).size < 10**7


def test_thousands_of_labels():
    of = [SimpleNamespace(name=f"<{n}>" * 500, drawings=3, precision=0.5, recall=0.5, f1=0.5) for n in range(3000)]
    table = class_text("net", SimpleNamespace(classes=of, unseen={f"{n}" * 100: 1 for n in range(100_000)}))
    assert len(table.rows) == 3000 and len(table.note) < 3000 and max(map(len, sum(table.rows, []))) < 2100

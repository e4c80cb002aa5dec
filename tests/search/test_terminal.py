"""Pictures of answers in a terminal."""

import io

import numpy as np
import pytest
from PIL import Image

from fastpatent.log import PlainConsole
from fastpatent.search import terminal
from fastpatent.search.query import Answer
from tests.small_index import write_index


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_row_has_every_drawing_whole_on_white():
    wide, high = Image.new("L", (100, 50), 0), Image.new("L", (20, 40), 90)
    row = np.asarray(terminal.row_of_drawings([png(wide), png(high)]))
    side, gap = terminal.SIDE, terminal.GAP
    assert row.shape == (side, 2 * side + gap, 3)
    assert (row[side // 4 : 3 * side // 4, :side] == 0).all() and (row[: side // 4, :side] == 255).all()
    assert (row[:, side : side + gap] == 255).all()
    second = row[:, side + gap :]
    assert (second[:, side // 4 : 3 * side // 4] == 90).all() and (second[:, : side // 4] == 255).all()


@pytest.mark.parametrize("able", [True, False])
def test_answers_are_shown_where_the_terminal_can(tmp_path, monkeypatch, able):
    sixel = pytest.importorskip("textual_image.renderable").SixelImage
    monkeypatch.setattr("tests.small_index.PNG", png(Image.new("L", (30, 30), 0)))
    monkeypatch.setattr(terminal, "_protocol", lambda: sixel if able else None)
    index = write_index(tmp_path / "I", np.eye(3), ["p0", "p1", "p1"])
    answers = [Answer("p1", 1.0, 1.0, None, [1, 2], [1.0, 0.5]), Answer("p0", 0.5, 0.5, None, [0], [0.5])]
    shown = terminal.show_answers(index, answers, most=1)
    if not able:
        assert shown is None
        return
    console = PlainConsole(file=io.StringIO(), force_terminal=True, width=100, height=40)
    console.print(shown)
    printed = console.file.getvalue()
    assert "1. p1" in printed and "p0" not in printed and printed.count("\x1bP") == 1  # one Sixel picture
    assert terminal.show_answers(index, answers, most=0) is None


def test_a_pipe_is_asked_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    terminal._protocol.cache_clear()
    assert terminal._protocol() is None

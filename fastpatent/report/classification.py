"""Classification as tables: several classifiers, and the classes of one of them."""

from collections.abc import Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.evaluation.classification import Classification
from fastpatent.evaluation.design_classes import class_title
from fastpatent.report.tables import NOTHING, TextTable
from fastpatent.text import short_line

CONSTANT = "always the largest class"
COLUMNS = ["accuracy", "95% interval", "top-5", "macro F1"]
CLASS_COLUMNS = ["class", "drawings", "precision", "recall", "F1"]
NAMED = 5  # most classes that a note lists


def classification_table(rows: list[tuple[str, Classification]]) -> Table:
    """Return the table of classifiers for a terminal, with the note as caption.

    Args:
        rows: list of (system, Classification), all of the same drawings.
    """
    text = classification_text(rows)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=text.note, caption_justify="left")
    table.add_column("classifier", overflow="fold")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in text.rows:
        table.add_row(cells[0], *cells[1:], style="dim" if cells[0] == CONSTANT else "")
    return table


def class_table(classification: Classification) -> Table:
    """Return the table of every class for a terminal, largest first."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in CLASS_COLUMNS:
        table.add_column(name, justify="left" if name == "class" else "right", no_wrap=name != "class")
    for cells in class_text("", classification).rows:
        table.add_row(cells[0], *cells[1:])
    return table


def classification_text(rows: list[tuple[str, Classification]]) -> TextTable:
    """Return the table of (system, Classification), all of the same drawings; the last row is a constant prediction."""
    text = []
    for system, found in rows:
        top5 = NOTHING if found.top5 is None else _number(found.top5.mean)
        interval = f"{_number(found.accuracy.low)} to {_number(found.accuracy.high)}"
        text.append([system, _number(found.accuracy.mean), interval, top5, _number(found.macro_f1)])
    sizes = [of.drawings for of in rows[0][1].classes]
    share = max(sizes) / sum(sizes)
    # F1 of the predicted class: precision is its share, recall 1; all other classes have 0.
    text.append([CONSTANT, _number(share), NOTHING, NOTHING, _number(2 * share / (1 + share) / len(sizes))])
    return TextTable("Classification", _note(rows), ["classifier", *COLUMNS], text)


def class_text(system: str, classification: Classification) -> TextTable:
    """Return the table of every test class, largest first."""
    rows = [
        [_titled(of.name), f"{of.drawings:,}", *map(_number, (of.precision, of.recall, of.f1))]
        for of in sorted(classification.classes, key=lambda of: (-of.drawings, of.name))
    ]
    note = f"Not in training: {_some(classification.unseen)}." if classification.unseen else ""
    return TextTable(f"Classes by {system}", note, CLASS_COLUMNS, rows)


def _note(rows: list[tuple[str, Classification]]) -> str:
    """Return the numbers of drawings and classes, the classes missing in training or test, and the systems' notes.

    A sentence that applies to several systems appears once.
    """
    classes = rows[0][1].classes
    sentences = [f"{sum(of.drawings for of in classes):,} drawings of {len(classes):,} classes."]
    applies: dict[str, list[str]] = {}
    for system, found in rows:
        for sentence in _one_sided(found):
            applies.setdefault(sentence, []).append(system)
    for sentence, systems in applies.items():
        sentences.append(f"{sentence}." if len(systems) == len(rows) else f"{sentence} ({', '.join(systems)}).")
    return " ".join(sentences + [f"{note.rstrip('.')}." for _, found in rows for note in found.notes])


def _one_sided(found: Classification) -> Iterator[str]:
    if found.unseen:
        yield f"Counted as wrong, class not in training: {sum(found.unseen.values()):,} of {_some(found.unseen)}"
    if found.unused:
        yield f"In training, but without a test drawing: {_some(found.unused)}"


def _some(names: Iterable[str]) -> str:
    """Join the first names, with the number of others."""
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(short_line, names[:NAMED])) + more


def _titled(name: str) -> str:
    title = class_title(name)
    return name if title == name else f"{name} {title}"


def _number(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")

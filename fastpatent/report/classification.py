"""Classification as tables: classifiers side by side, and the classes of one of them."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.evaluation.design_classes import class_title
from fastpatent.report.text_table import NOTHING, TextTable

CONSTANT = "always the largest class"
COLUMNS = ["accuracy", "95% interval", "top-5", "macro F1"]
CLASS_COLUMNS = ["class", "drawings", "precision", "recall", "F1"]
NAMED = 5  # classes that a note names


def classification_table(rows):
    """Lay out classifiers for a terminal, and below them what no table of figures would tell.

    Args:
        rows: list of (system, Classification), all of the same drawings.

    Returns:
        rich Table.
    """
    told = classification_text(rows)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=Text(told.note), caption_justify="left")
    table.add_column("classifier", overflow="fold")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in told.rows:
        table.add_row(Text(cells[0]), *cells[1:], style="dim" if cells[0] == CONSTANT else "")
    return table


def class_table(classification):
    """Lay out every class of a Classification for a terminal, the largest first.

    Returns:
        rich Table.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in CLASS_COLUMNS:
        table.add_column(name, justify="left" if name == "class" else "right", no_wrap=name != "class")
    for cells in class_text("", classification).rows:
        table.add_row(Text(cells[0]), *cells[1:])
    return table


def classification_text(rows):
    """Return the TextTable of a list of (system, Classification), all of the same drawings; last comes a constant answer."""
    text = []
    for system, found in rows:
        top5 = NOTHING if found.top5 is None else _number(found.top5.mean)
        interval = f"{_number(found.accuracy.low)} to {_number(found.accuracy.high)}"
        text.append([system, _number(found.accuracy.mean), interval, top5, _number(found.macro_f1)])
    sizes = [of.drawings for of in rows[0][1].classes]
    share = max(sizes) / sum(sizes)
    # F1 of the one class that is said: precision is its share, recall 1; all others have 0.
    text.append([CONSTANT, _number(share), NOTHING, NOTHING, _number(2 * share / (1 + share) / len(sizes))])
    return TextTable("Classification", _note(rows), ["classifier", *COLUMNS], text)


def class_text(system, classification):
    """Return the TextTable of every class that was asked for, the largest first."""
    rows = [
        [_titled(of.name), f"{of.drawings:,}", *map(_number, (of.precision, of.recall, of.f1))]
        for of in sorted(classification.classes, key=lambda of: (-of.drawings, of.name))
    ]
    note = f"Not learned: {', '.join(classification.unseen)}." if classification.unseen else ""
    return TextTable(f"Classes by {system}", note, CLASS_COLUMNS, rows)


def _note(rows):
    """Return how much was classified, and which classes only one side knows, once for all systems of which it is true."""
    classes = rows[0][1].classes
    said = [f"{sum(of.drawings for of in classes):,} drawings of {len(classes):,} classes."]
    told = {}
    for system, found in rows:
        for sentence in _one_sided(found):
            told.setdefault(sentence, []).append(system)
    for sentence, systems in told.items():
        said.append(f"{sentence}." if len(systems) == len(rows) else f"{sentence} ({', '.join(systems)}).")
    return " ".join(said + [f"{note.rstrip('.')}." for _, found in rows for note in found.notes])


def _one_sided(found):
    if found.unseen:
        yield f"Wrong, for their class was not learned: {sum(found.unseen.values()):,} of {_some(found.unseen)}"
    if found.unused:
        yield f"Learned, but of no drawing here: {_some(found.unused)}"


def _some(names):
    """Write the first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _titled(name):
    title = class_title(name)
    return name if title == name else f"{name} {title}"


def _number(share):
    return f"{share:.3f}".removeprefix("0")

"""The pictures of a benchmark: growth curves, ranked galleries and maps (DeepPatent paper, figures 3 to 5)."""

from pathlib import Path

from fastpatent.errors import DataError
from fastpatent.report.benchmark.drawing_map import METHODS, map_picture, map_positions, mapped_drawings
from fastpatent.report.benchmark.growth_plot import write_growth_plot
from fastpatent.report.gallery import KEY, best_and_worst, gallery_picture
from fastpatent.report.picture import write_png

MAP_KEY = (
    "Drawings that the system finds alike lie together; those that would cover each other are pushed apart. Drawings of one "
    "patent have one colour; the colours come round again."
)


def write_figures(benchmark, evaluation, features, folder, seed, say):
    """Write the pictures that there is something to show in, as PNG files.

    Args:
        benchmark: Benchmark.
        evaluation: Evaluation of the system to picture.
        features: float32 [queries + gallery, dim] of that system.
        folder: where to write; it is there.
        seed: of the choice of drawings and of the maps.
        say: told in a sentence what is left out, and why.

    Returns:
        list of (title, caption, path).
    """
    folder, system = Path(folder), evaluation.name
    pictures = []
    if len(benchmark.sizes) > 1 and any(result.growth for result in benchmark.results):
        write_growth_plot(benchmark, folder / "growth.png")
        caption = "Drawings that belong to none of the queries' patents are added to the database."
        pictures.append(("Curves over the size of the database", caption, folder / "growth.png"))
    for which, queries in zip(("best", "worst"), best_and_worst(evaluation)):
        if len(queries):
            path = folder / f"gallery_{which}.png"
            write_png(path, gallery_picture(evaluation, queries))
            title = f"Where {system} ranks {which}"
            pictures.append((title, f"The queries of {which} AP, each of another patent. {KEY}", path))
    samples = [*evaluation.splits.query, *evaluation.splits.gallery]
    rows = mapped_drawings(samples, seed=seed)
    for method in METHODS:
        path = folder / f"map_{method.lower()}.png"
        try:
            positions = map_positions(features[rows], seed, method)
        except DataError as error:
            say(f"{method} map left out: {error}")
            continue
        write_png(path, map_picture([samples[row] for row in rows], positions))
        pictures.append((f"Drawings as {system} sees them", f"{method} of {len(rows):,} drawings. {MAP_KEY}", path))
    return pictures

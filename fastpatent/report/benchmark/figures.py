"""The pictures of a benchmark: growth curves, ranked galleries and maps (DeepPatent paper, figures 3 to 5)."""

import logging
from pathlib import Path

from fastpatent.errors import DataError
from fastpatent.evaluation.benchmark import Benchmark
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.report.benchmark.drawing_map import METHODS, map_picture, map_positions, mapped_drawings
from fastpatent.report.benchmark.growth_plot import write_growth_plot
from fastpatent.report.gallery import KEY, best_and_worst, gallery_picture
from fastpatent.report.picture import write_png

logger = logging.getLogger(__name__)

MAP_KEY = (
    "Drawings with similar features are close together; overlapping ones are pushed apart. Drawings of one patent have one "
    "colour; colours repeat."
)


def write_figures(
    benchmark: Benchmark,
    evaluation: Evaluation,
    folder: str | Path,
    seed: int,
) -> list[tuple[str, str, Path]]:
    """Write the pictures as PNG files; those without content are skipped.

    Args:
        benchmark: Benchmark.
        evaluation: Evaluation, with features, of the system to show.
        folder: existing output folder.
        seed: of the sample of drawings and of the maps.

    Returns:
        list of (title, caption, path).
    """
    folder, system = Path(folder), evaluation.name
    pictures: list[tuple[str, str, Path]] = []
    if len(benchmark.sizes) > 1 and any(result.growth for result in benchmark.results):
        write_growth_plot(benchmark, folder / "growth.png")
        caption = "Drawings of other patents than the queries' are added to the database."
        pictures.append(("Metrics by database size", caption, folder / "growth.png"))
    for which, queries in zip(("best", "worst"), best_and_worst(evaluation)):
        if len(queries):
            path = folder / f"gallery_{which}.png"
            write_png(path, gallery_picture(evaluation, queries))
            title = f"Queries with the {which} AP, {system}"
            pictures.append((title, f"Each query is of a different patent. {KEY}", path))
    samples = [*evaluation.splits.query, *evaluation.splits.gallery]
    rows = mapped_drawings(samples, seed=seed)
    assert evaluation.features, "an evaluation of the pipeline has features"
    features = evaluation.features.all[rows]
    for method in METHODS:
        path = folder / f"map_{method.lower()}.png"
        try:
            positions = map_positions(features, seed, method)
        except DataError as error:
            logger.info(f"{method} map skipped: {error}")
            continue
        write_png(path, map_picture([samples[row] for row in rows], positions))
        pictures.append((f"Map of the features of {system}", f"{method} of {len(rows):,} drawings. {MAP_KEY}", path))
    return pictures

"""A small index of given vectors and facts, without images and a network."""

import numpy as np

from fastpatent.search.generation import Drawing, Facts, write_generation
from fastpatent.search.index import open_index

PNG = b"\x89PNG of no drawing"


class Store:
    """Vectors of length 1, all with the same thumbnail."""

    def __init__(self, vectors):
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def thumbnail(self, row):
        return PNG


def write_index(folder, vectors, facts, texts=False, **options):
    """Write drawings /d/000000.png... with `Facts`, or names of patents, which ascend; return the open index."""
    folder.mkdir(exist_ok=True)
    store = Store(np.asarray(vectors, np.float64))
    facts = [Facts(each) if isinstance(each, str) else each for each in facts]
    drawings = [
        Drawing(f"/d/{row:06d}.png", each, 1, 1, row.to_bytes(16, "big"), store, row) for row, each in enumerate(facts)
    ]
    write_generation(folder, drawings, {}, {"digest": "0" * 64, "config": {}, "texts": texts}, ["/d"], **options)
    return open_index(folder)

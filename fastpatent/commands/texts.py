"""How drawings and their texts find each other, for every command that has a network with a text tower."""

import numpy as np

from fastpatent.data.samples import captioned
from fastpatent.evaluation.text_image import text_image_metrics


def measure_texts(cfg, splits, features, extract, device):
    """Return the TextImageMetrics of a test set's drawings that have a text, queries and database; None where none has.

    Args:
        cfg: the configuration.
        splits: the data set.
        features: float32 [queries + gallery, dim] of its drawings.
        extract: `NetworkExtractor` of the network that gave them.
        device: to rank on.
    """
    drawings = [*splits.query, *splits.gallery]
    rows = captioned(drawings)
    if not rows:
        return None
    texts = [drawings[row].caption for row in rows]
    identities = [drawings[row].identity for row in rows]
    found = embed_once(extract, texts, splits.name)
    return text_image_metrics(features[rows], found, identities, texts, cfg.BENCHMARK.RESAMPLES, cfg.SEED, device)


def embed_once(extract, texts, name):
    """Return float32 [texts, dim]; a text that stands there several times goes through the network once."""
    different = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return extract.texts(list(different), name)[np.array([different[text] for text in texts])]

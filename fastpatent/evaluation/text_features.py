"""From captions to features: one float32 row a text, in order."""

import numpy as np
import torch

BATCH = 256


@torch.inference_mode()
def text_features(model, texts, device, precision, on_batch=None):
    """Run the text tower of a network over texts.

    Args:
        model: network with `tokenize` and `embed_text`, see `fastpatent.models.patent_clip.PatentCLIP`.
        texts: list of str.
        device: torch.device that holds the model.
        precision: number format, with an `autocast(device)` context.
        on_batch: called with the number of texts done.

    Returns:
        float32 [texts, dim].
    """
    rows = []
    for start in range(0, len(texts), BATCH):
        tokens = model.tokenize(texts[start : start + BATCH]).to(device)
        with precision.autocast(device):
            rows.append(model.embed_text(tokens).float().cpu().numpy())
        if on_batch:
            on_batch(start + len(tokens))
    return np.concatenate(rows)

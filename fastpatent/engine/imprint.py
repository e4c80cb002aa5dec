"""MODEL.HEADS.IMPRINT: class weights that start from images of their class (weight imprinting, Qi et al., CVPR 2018)."""

from collections.abc import Sequence

import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.loader import build_test_loader
from fastpatent.data.records import Sample, label_map
from fastpatent.device import Precision
from fastpatent.errors import ConfigError
from fastpatent.evaluation.features import extract_features
from fastpatent.heads.embedding_head import EmbeddingHead
from fastpatent.models import Network
from fastpatent.progress import ProgressLine

IMAGES = 8  # of an identity, at most


def imprinted_head(cfg: CfgNode, network: Network) -> EmbeddingHead:
    """Return the head of `network`; ConfigError where it is another than EmbeddingHead, whose neck `imprint` knows."""
    if type(network.head) is not EmbeddingHead:
        raise ConfigError(f"MODEL.HEADS.IMPRINT: needs the EmbeddingHead, MODEL.HEADS.NAME is {cfg.MODEL.HEADS.NAME}")
    return network.head


def imprint(cfg: CfgNode, network: Network, samples: Sequence[Sample], device: torch.device, precision: Precision) -> None:
    """Set the class weights of `network` by the first images of each identity, see `EmbeddingHead.imprint`.

    The images are as in evaluation, of INPUT.SIZE_TEST and not augmented. Of several processes only the first has the new
    weights; DistributedDataParallel sends them to the others.

    Args:
        cfg: the configuration of the run.
        network: on `device`.
        samples: of training. An identity of which no image can be read keeps its weights.
        device, precision: where and in what format to compute.

    Raises:
        ConfigError: as `imprinted_head`.
    """
    head = imprinted_head(cfg, network)
    labels = label_map(samples)
    of_class: list[list[Sample]] = [[] for _ in labels]
    for sample in samples:
        if sample.identity is not None:
            of_class[labels[sample.identity]].append(sample)
    chosen = [sample for same in of_class for sample in same[:IMAGES]]
    targets = torch.tensor([label for label, same in enumerate(of_class) for _ in same[:IMAGES]])
    share = chosen[distributed.rank() :: distributed.world_size()]
    loader = build_test_loader(cfg, share, device, tolerant=True)
    test_feat, head.test_feat = head.test_feat, "before"
    with ProgressLine("imprinting the class weights", len(chosen)) as line:
        found = extract_features(network, loader, device, precision, on_batch=line.update)
    head.test_feat = test_feat
    if found is not None:
        features = torch.from_numpy(found)
        readable = features.isfinite().all(dim=1)
        head.imprint(features[readable].to(device), targets[readable].to(device))

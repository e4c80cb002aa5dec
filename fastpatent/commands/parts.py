"""What every command assembles from a configuration: a trained network, and the data sets to test it on."""

from fastpatent.data.samples import unmatched_queries
from fastpatent.data.sets import load_test_set
from fastpatent.errors import ConfigError, DataError
from fastpatent.models import build_model
from fastpatent.models.clip.pretrained import move_towards_pretrained
from fastpatent.models.weights import load_weights
from fastpatent.report.examples import example_lines


def with_classes(cfg, found, resumed=False):
    """Return the configuration with MODEL.HEADS.NUM_CLASSES filled in from the `found` training identities.

    A number given by the configuration is kept; ConfigError where it is too small. A resumed run has all its weights,
    so MODEL.BACKBONE.PRETRAIN and MODEL.TOWER_WEIGHTS are switched off.
    """
    cfg = cfg.clone()
    cfg.defrost()
    if resumed:
        cfg.MODEL.BACKBONE.PRETRAIN, cfg.MODEL.TOWER_WEIGHTS = False, ["", ""]
    if cfg.MODEL.HEADS.NUM_CLASSES == 0:
        cfg.MODEL.HEADS.NUM_CLASSES = found
    elif cfg.MODEL.HEADS.NUM_CLASSES < found:
        raise ConfigError(
            f"MODEL.HEADS.NUM_CLASSES is {cfg.MODEL.HEADS.NUM_CLASSES}, but the training set has {found} identities; write 0"
        )
    cfg.freeze()
    return cfg


def refuse_descriptor(cfg):
    """Raise ConfigError where the configuration names a descriptor: there is no network to train or to write."""
    if cfg.DESCRIPTOR.NAME:
        raise ConfigError(f"DESCRIPTOR.NAME: {cfg.DESCRIPTOR.NAME} is no network; use fastpatent test, extract or benchmark")


def load_trained(cfg, device, log):
    """Build the network with MODEL.WEIGHTS on `device`, for evaluation; say what of the file was not used.

    A PatentCLIP without them is that of MODEL.CLIP.PRETRAINED.
    """
    refuse_descriptor(cfg)
    zero_shot = cfg.MODEL.META_ARCHITECTURE == "PatentCLIP" and cfg.MODEL.CLIP.PRETRAINED
    if not cfg.MODEL.WEIGHTS and zero_shot:
        return build_model(with_classes(cfg, 1)).to(device).eval()
    if not cfg.MODEL.WEIGHTS:
        raise ConfigError("MODEL.WEIGHTS is empty: write the path of a trained network, for example logs/.../model_best.pth")
    model = build_model(with_classes(cfg, 1))
    log.say(load_weights(model, cfg.MODEL.WEIGHTS).without_classifier().table())
    if cfg.MODEL.META_ARCHITECTURE == "PatentCLIP":
        move_towards_pretrained(model, cfg)
    return model.to(device).eval()


def load_test_sets(cfg, log):
    """Read DATASETS.TESTS; say how many queries have nothing to find.

    Raises:
        DataError: a list or drawing is missing, or no query of a labelled set has a match.
    """
    texts = cfg.MODEL.META_ARCHITECTURE == "PatentCLIP"  # which may ask where no drawing does
    sets = [load_test_set(cfg, name, texts) for name in cfg.DATASETS.TESTS]
    for splits in sets:
        for kind, cases in splits.left_out.items():
            log.say(*example_lines(kind, cases, cfg.DATASETS.ROOT))
        unmatched = unmatched_queries(splits.query, splits.gallery)
        if splits.query and len(unmatched) == len(splits.query):
            raise DataError(
                f"{splits.name}: no query has a drawing of its identity in the database, {unmatched[0].path} first"
            )
        if unmatched:
            log.say(
                f"warning: {splits.name}: {len(unmatched)} queries have no drawing of their identity in the database and "
                f"count in no figure, {unmatched[0].path} first"
            )
    return sets

"""Keys that fast-reid's files may set and that change nothing here."""

IGNORED = (
    "MODEL.QUEUE_SIZE",
    "MODEL.BACKBONE.FEAT_DIM",  # the network itself says how wide its features are
    "MODEL.BACKBONE.WITH_SE",
    "MODEL.BACKBONE.SIE_COE",
    "MODEL.BACKBONE.STRIDE_SIZE",
    "MODEL.BACKBONE.DROP_RATIO",
    "MODEL.BACKBONE.ATT_DROP_RATE",
    "KD",
    "INPUT.CJ.SATURATION",  # a grey drawing has neither saturation nor hue
    "INPUT.CJ.HUE",
    "INPUT.RPT",
    "DATALOADER.SET_WEIGHT",
    "TEST.ROC",
    "TEST.PRECISE_BN",
)


def is_ignored(key):
    """Tell whether a dotted key, or the section it stands in, changes nothing here."""
    return any(key == name or key.startswith(f"{name}.") for name in IGNORED)

"""Published figures on DeepPatent's validation and test lists."""

KUCER = "Kucer et al., WACV 2022"
HIGUCHI = "Higuchi & Yanai, World Patent Information 2023"
WANG = "Wang & Zhang, arXiv 2308.13749"

# mAP, Acc@1, Acc@5, Acc@20
TABLE_1: dict[str, tuple[float, ...]] = {
    "RotNet RN50": (0.169, 0.416, 0.510, 0.584),
    "ImageNet RN50": (0.291, 0.634, 0.716, 0.779),
    "Sketchy RN50 Cl": (0.229, 0.532, 0.631, 0.703),
    "Patent RN18 Cl": (0.284, 0.590, 0.694, 0.763),
    "Patent RN50 Cl": (0.366, 0.682, 0.783, 0.844),
    "Patent RN18 Ct": (0.275, 0.578, 0.680, 0.754),
    "Patent RN18 Tri": (0.278, 0.586, 0.689, 0.756),
    "Patent RN50 Ct": (0.332, 0.636, 0.745, 0.819),
    "Patent RN50 Tri": (0.379, 0.701, 0.794, 0.851),
}
TABLE_2: dict[str, tuple[float, ...]] = {
    "AHDH": (0.095, 0.288, 0.343, 0.399),
    "VisHash": (0.093, 0.274, 0.340, 0.402),
    "SIFT FV": (0.092, 0.206, 0.289, 0.375),
    "HOG": (0.083, 0.272, 0.317, 0.359),
    "LBP": (0.069, 0.210, 0.252, 0.343),
    "PatentNet": (0.376, 0.691, 0.784, 0.841),
    "Sketch-a-Net on sketches": (0.086, 0.258, 0.324, 0.388),
    "Sketch-a-Net on patents": (0.135, 0.361, 0.451, 0.536),
    "Sketchy RN50 on sketches, classified": (0.229, 0.532, 0.631, 0.703),
    "Sketchy RN50 on sketches, ranked": (0.156, 0.428, 0.513, 0.586),
    "Sketchy RN50 on photographs, ranked": (0.132, 0.353, 0.452, 0.539),
}
SWIN_EPOCHS = {1: (0.6894, 0.8205), 3: (0.8029, 0.9004), 5: (0.8278, 0.9156), 7: (0.8392, 0.9225)}  # mAP@max, Acc@1


def published_figures(stage: str) -> list[tuple[str, str, dict[str, float]]]:
    """Return the published figures for DeepPatent from the main sources.

    Args:
        stage: "val" or "test", the part of DeepPatent.

    Returns:
        list of (system, source, {name of a figure: float}), in the order of the sources.
    """
    if stage == "val":
        return _table(TABLE_1, f"{KUCER}, table 1") + [
            ("EfficientNet-B0, 256 px, softmax", WANG, {"mAP": 0.554}),
            ("EfficientNet-B0, 256 px, ArcFace", WANG, {"mAP": 0.712}),
            ("EfficientNet-B0, 512 px, ArcFace", WANG, {"mAP": 0.877}),
            ("EfficientNet-B5, 512 px, ArcFace", WANG, {"mAP": 0.899}),
        ]
    return [
        *_table(TABLE_2, f"{KUCER}, table 2"),
        ("PatentNet in a database of 350,000", f"{KUCER}, figure 3", {"mAP": 0.262, "Acc@1": 0.551}),
        *(
            (f"SwinV2-B, 384 px, ArcFace, epoch {epoch}", f"{HIGUCHI}, log", {"mAP@max": cut, "Acc@1": first})
            for epoch, (cut, first) in SWIN_EPOCHS.items()
        ),
        ("SwinV2-B, 384 px, ArcFace", HIGUCHI, {"mAP@max": 0.856}),
        ("EfficientNet-B5..B7 + Swin-B, 768 px, re-ranked", f"{WANG}; its split is not verified", {"mAP": 0.935}),
    ]


def _table(table: dict[str, tuple[float, ...]], source: str) -> list[tuple[str, str, dict[str, float]]]:
    names = ("mAP", "Acc@1", "Acc@5", "Acc@20")
    return [(system, source, dict(zip(names, figures))) for system, figures in table.items()]

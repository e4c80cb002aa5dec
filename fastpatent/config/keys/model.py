"""Keys of the run and of the network: MODEL, DESCRIPTOR, and KD of fast-reid."""

from fastpatent.config.key import (
    AT_START,
    BELOW_ONE,
    CHANNELS,
    DEVIATIONS,
    FIXED,
    POSITIVE,
    Component,
    Ignored,
    Key,
    Network,
    NoFeature,
    OurNetwork,
    OurNoFeature,
    Rule,
    at_least,
    one_of,
)
from fastpatent.registry import BACKBONES, CLASSIFIERS, DESCRIPTORS, HEADS, LOSSES, META_ARCHITECTURES, NORMS, POOLING

IMAGENET_MEAN = [0.485 * 255, 0.456 * 255, 0.406 * 255]
IMAGENET_STD = [0.229 * 255, 0.224 * 255, 0.225 * 255]
PARTS = Rule(lambda value: all(isinstance(name, str) for name in value), "names of parts of the network")
SMOOTHING = Rule(lambda value: 0 <= value < 1 or value == -1, "at least 0 and below 1, or -1 (adaptive)")
TWO_PATHS = Rule(lambda value: len(value) == 2, "two paths, for drawings and for photographs")
NAMED = Rule(bool, "the name of a folder, . for the working directory")
TOWERS = Rule(lambda value: set(value) <= {"image", "text"}, "some of image and text")


GENERAL = (
    OurNoFeature("SEED", 0, "of the sampler, the augmentation and the initial weights", at_least(0), resumed=FIXED),
    NoFeature("OUTPUT_DIR", "logs/", "folder of checkpoints, log.txt, cached features and results", NAMED, path=True),
    NoFeature("CUDNN_BENCHMARK", False, "in training, let cuDNN measure which convolution algorithm is fastest"),
)

KEYS = (
    NoFeature("MODEL.DEVICE", "cuda", "cuda, cuda:N, cpu or mps; cuda without a number falls back to the CPU"),
    Network("MODEL.META_ARCHITECTURE", "Baseline", "the network", Component(META_ARCHITECTURES), resumed=FIXED),
    NoFeature("MODEL.FREEZE_LAYERS", [], "parts of the network frozen for `SOLVER.FREEZE_ITERS`", PARTS),
    Ignored("MODEL.QUEUE_SIZE", 8192, "of fast-reid's MoCo"),
    NoFeature(
        "MODEL.WEIGHTS",
        "",
        "checkpoint to start training from, or to test; default: the network in the box",
        resumed=AT_START,
        path=True,
    ),  # cached features know it by its bytes
    OurNoFeature(
        "MODEL.TOWER_WEIGHTS",
        ["", ""],
        "checkpoints that the two towers of `TwoBranch` start from",
        TWO_PATHS,
        resumed=AT_START,
        path=True,
    ),
    OurNoFeature("MODEL.COMPILE", False, "torch.compile the backbones; a failure is reported, and the run goes on without"),
    Network(
        "MODEL.PIXEL_MEAN",
        list(IMAGENET_MEAN),
        "one value per input channel of the network, one or three; not set: of `PRETRAIN_PATH` where it is a name",
        CHANNELS,
        resumed=FIXED,
    ),
    Network("MODEL.PIXEL_STD", list(IMAGENET_STD), "as many values as `MODEL.PIXEL_MEAN`", DEVIATIONS, resumed=FIXED),
    Network("MODEL.BACKBONE.NAME", "build_resnet_backbone", "the backbone", Component(BACKBONES), resumed=FIXED),
    OurNetwork("MODEL.BACKBONE.TIMM_NAME", "", "the timm model, where the backbone is `timm`", resumed=FIXED),
    Network("MODEL.BACKBONE.DEPTH", "50x", "18x, 34x, 50x or 101x", resumed=FIXED),
    Network("MODEL.BACKBONE.LAST_STRIDE", 1, "stride of the last layer", at_least(1), resumed=FIXED),
    Ignored("MODEL.BACKBONE.FEAT_DIM", 2048, "the network itself knows how many channels its feature maps have"),
    Network("MODEL.BACKBONE.NORM", "BN", "norm of the backbone", Component(NORMS), resumed=FIXED),
    Network("MODEL.BACKBONE.WITH_IBN", False, "IBN-a in layers 1 to 3", resumed=FIXED),
    Ignored("MODEL.BACKBONE.WITH_SE", False, "squeeze and excitation"),
    Network("MODEL.BACKBONE.WITH_NL", False, "non-local blocks", resumed=FIXED),
    Ignored("MODEL.BACKBONE.SIE_COE", 3.0, "of fast-reid's vision transformer"),
    Ignored("MODEL.BACKBONE.STRIDE_SIZE", (16, 16), "of fast-reid's vision transformer"),
    NoFeature("MODEL.BACKBONE.DROP_PATH_RATIO", 0.1, "stochastic depth of timm models", BELOW_ONE),
    Ignored("MODEL.BACKBONE.DROP_RATIO", 0.0, "of fast-reid's vision transformer"),
    Ignored("MODEL.BACKBONE.ATT_DROP_RATE", 0.0, "of fast-reid's vision transformer"),
    NoFeature(
        "MODEL.BACKBONE.PRETRAIN",
        False,
        "the backbone should start from weights: a warning where `PRETRAIN_PATH` names none",
        resumed=AT_START,
    ),
    NoFeature(
        "MODEL.BACKBONE.PRETRAIN_PATH",
        "",
        "ImageNet weights: file of torchvision, IBN-Net, efficientnet_pytorch or timm; timm; hf-hub: name; package: name",
        resumed=AT_START,
        path=True,
    ),
    Network("MODEL.HEADS.NAME", "EmbeddingHead", "the head", Component(HEADS), resumed=FIXED),
    Network("MODEL.HEADS.NORM", "BN", "norm of the neck", Component(NORMS), resumed=FIXED),
    NoFeature(
        "MODEL.HEADS.NUM_CLASSES",
        0,
        "classes of the classifier; 0: as many as training identities",
        at_least(0, 10**8),
        resumed=FIXED,
    ),
    Network(
        "MODEL.HEADS.EMBEDDING_DIM", 0, "dimension of the embedding; 0: no projection", at_least(0, 10**5), resumed=FIXED
    ),
    Network("MODEL.HEADS.WITH_BNNECK", False, "a norm between embedding and classifier", resumed=FIXED),
    NoFeature("MODEL.HEADS.NECK_FEAT", "before", "embeddings that pair losses see", one_of("before", "after")),
    Network("MODEL.HEADS.POOL_LAYER", "GlobalAvgPool", "the pooling", Component(POOLING), resumed=FIXED),
    NoFeature("MODEL.HEADS.CLS_LAYER", "Linear", "the classifier", Component(CLASSIFIERS), resumed=FIXED),
    NoFeature("MODEL.HEADS.MARGIN", 0.0, "margin of the classifier"),
    NoFeature("MODEL.HEADS.SCALE", 1, "scale of the classifier's logits", POSITIVE),
    OurNoFeature("MODEL.HEADS.DROPOUT", 0.0, "of `ProjectionHead`", BELOW_ONE),
    OurNoFeature("MODEL.HEADS.EASY_MARGIN", False, "`ArcSoftmax` applies its margin below 90 degrees only"),
    OurNoFeature(
        "MODEL.HEADS.SUB_CENTERS", 1, "class weights per identity (sub-centre ArcFace)", at_least(1, 1000), resumed=FIXED
    ),
    OurNoFeature(
        "MODEL.HEADS.SAMPLED_CLASSES", 0, "classes on the device in a step (Partial FC); 0: all", at_least(0), resumed=FIXED
    ),
    OurNoFeature("MODEL.HEADS.IMPRINT", False, "class weights start as the mean embeddings of their images"),
    NoFeature("MODEL.LOSSES.NAME", ("CrossEntropyLoss",), "the losses, added up", Component(LOSSES)),
    NoFeature("MODEL.LOSSES.CE.EPSILON", 0.0, "label smoothing; -1: adaptive", SMOOTHING),
    NoFeature("MODEL.LOSSES.CE.ALPHA", 0.2, "factor of adaptive label smoothing"),
    NoFeature("MODEL.LOSSES.CE.SCALE", 1.0, "weight of CrossEntropyLoss", at_least(0)),
    NoFeature("MODEL.LOSSES.FL.ALPHA", 0.25, "factor of FocalLoss", POSITIVE),
    NoFeature("MODEL.LOSSES.FL.GAMMA", 2.0, "exponent of FocalLoss", at_least(0)),
    NoFeature("MODEL.LOSSES.FL.SCALE", 1.0, "weight of FocalLoss", at_least(0)),
    OurNoFeature("MODEL.LOSSES.FL.OF_MEAN", False, "weigh the batch's mean cross entropy instead of each sample's"),
    NoFeature("MODEL.LOSSES.TRI.MARGIN", 0.3, "0: soft margin", at_least(0)),
    NoFeature("MODEL.LOSSES.TRI.NORM_FEAT", False, "distances of normalised embeddings"),
    NoFeature("MODEL.LOSSES.TRI.HARD_MINING", False, "hardest pairs instead of weighted ones"),
    NoFeature("MODEL.LOSSES.TRI.SCALE", 1.0, "weight of TripletLoss", at_least(0)),
    NoFeature("MODEL.LOSSES.CIRCLE.MARGIN", 0.25, "relaxation of the decision boundary, in cosine"),
    NoFeature("MODEL.LOSSES.CIRCLE.GAMMA", 128, "scale of the logits", POSITIVE),
    NoFeature("MODEL.LOSSES.CIRCLE.SCALE", 1.0, "weight of CircleLoss", at_least(0)),
    NoFeature("MODEL.LOSSES.COSFACE.MARGIN", 0.25, "margin, in cosine"),
    NoFeature("MODEL.LOSSES.COSFACE.GAMMA", 128, "scale of the logits", POSITIVE),
    NoFeature("MODEL.LOSSES.COSFACE.SCALE", 1.0, "weight of Cosface", at_least(0)),
    OurNoFeature("MODEL.LOSSES.MINED.MARGIN", 0.1, "of MinedTripletLoss and MinedContrastiveLoss", at_least(0)),
    OurNoFeature("MODEL.LOSSES.MINED.SCALE", 1.0, "weight of MinedTripletLoss and MinedContrastiveLoss", at_least(0)),
    OurNoFeature("MODEL.LOSSES.XBM.ENABLED", False, "pair losses also see the embeddings of past steps", resumed=FIXED),
    OurNoFeature("MODEL.LOSSES.XBM.SIZE", 8192, "embeddings in that memory", at_least(1, 10**7), resumed=FIXED),
    OurNoFeature("MODEL.LOSSES.XBM.START_ITER", 1000, "first iteration that uses the memory", at_least(0)),
    OurNetwork(
        "MODEL.CLIP.NAME",
        "ViT-B-32",
        "of `PatentCLIP`: an open_clip model, or the JSON file of one",
        resumed=FIXED,
        path=True,
    ),
    OurNoFeature("MODEL.CLIP.LOSS", "clip", "softmax or sigmoid over pairs", one_of("clip", "siglip"), resumed=FIXED),
    OurNetwork(
        "MODEL.CLIP.PRETRAINED",
        "",
        "file of weights, or with `--allow-downloads` a tag of open_clip or hf-hub: name; empty: random",
        resumed=AT_START,
        path=True,
    ),
    OurNoFeature(
        "MODEL.CLIP.POSITIVES",
        "pair",
        "positive pairs of a batch: an image and its caption, all of an identity, all of a class",
        one_of("pair", "identity", "class"),
        resumed=FIXED,
    ),
    OurNoFeature("MODEL.CLIP.LOCK", [], "towers that are not trained", TOWERS),
    OurNoFeature("MODEL.CLIP.CHECKPOINTING", False, "recompute the layers of the towers in the backward pass"),
    OurNoFeature("MODEL.CLIP.CHUNK", 0, "images embedded at a time (gradient caching); 0: the whole batch", at_least(0)),
    Key("DESCRIPTOR.NAME", "", "a classic descriptor in place of the network", Component(DESCRIPTORS, ("",)), ours=True),
    OurNoFeature("DESCRIPTOR.VOCABULARY.WORDS", 64, "Gaussians of sift_fisher", at_least(1, 10**4)),
    OurNoFeature("DESCRIPTOR.VOCABULARY.DIM", 64, "dimensions of sift_fisher after PCA", at_least(1, 10**4)),
    OurNoFeature("DESCRIPTOR.VOCABULARY.DRAWINGS", 1000, "training images that sift_fisher is learned on", at_least(1)),
    Ignored("KD.MODEL_CONFIG", [], "knowledge distillation"),
    Ignored("KD.MODEL_WEIGHTS", [], "knowledge distillation"),
    Ignored("KD.EMA.ENABLED", False, "knowledge distillation"),
    Ignored("KD.EMA.MOMENTUM", 0.999, "knowledge distillation"),
)

"""Keys of the run and of the network: MODEL, DESCRIPTOR, and KD of fast-reid."""

from functools import partial

from fastpatent.config.key import (
    BELOW_ONE,
    CHANNELS,
    DEVIATIONS,
    NETWORK,
    NONE,
    POSITIVE,
    Component,
    Key,
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
TOWERS = Rule(lambda value: set(value) <= {"image", "text"}, "some of image and text")

Ignored = partial(Key, features=NONE, ignored=True)
Network = partial(Key, features=NETWORK)  # in fast-reid too, and read where the network embeds images
Ours = partial(Key, features=NETWORK, ours=True)
Training = partial(Key, features=NONE)  # in fast-reid too, and without effect on a trained network's features
OurTraining = partial(Key, features=NONE, ours=True)

GENERAL = (
    OurTraining("SEED", 0, "of the sampler, the augmentation and the initial weights", at_least(0)),
    Training("OUTPUT_DIR", "logs/", "folder of checkpoints, log.txt, cached features and results"),
    Training("CUDNN_BENCHMARK", False, "let cuDNN measure which convolution algorithm is fastest"),
)

KEYS = (
    Training("MODEL.DEVICE", "cuda", "cuda, cuda:N, cpu or mps; cuda without a number falls back to the CPU"),
    Network("MODEL.META_ARCHITECTURE", "Baseline", "the network", Component(META_ARCHITECTURES)),
    Training("MODEL.FREEZE_LAYERS", [], "parts of the network frozen for `SOLVER.FREEZE_ITERS`", PARTS),
    Ignored("MODEL.QUEUE_SIZE", 8192, "of fast-reid's MoCo"),
    Training("MODEL.WEIGHTS", "", "checkpoint to start training from, or to test"),  # cached features know it by its bytes
    OurTraining("MODEL.TOWER_WEIGHTS", ["", ""], "checkpoints that the two towers of `TwoBranch` start from", TWO_PATHS),
    OurTraining("MODEL.COMPILE", False, "torch.compile the backbones; a failure is reported, and the run goes on without"),
    Network("MODEL.PIXEL_MEAN", list(IMAGENET_MEAN), "one value per input channel of the network, one or three", CHANNELS),
    Network("MODEL.PIXEL_STD", list(IMAGENET_STD), "as many values as `MODEL.PIXEL_MEAN`", DEVIATIONS),
    Network("MODEL.BACKBONE.NAME", "build_resnet_backbone", "the backbone", Component(BACKBONES)),
    Ours("MODEL.BACKBONE.TIMM_NAME", "", "the timm model, where the backbone is `timm`"),
    Network("MODEL.BACKBONE.DEPTH", "50x", "18x, 34x, 50x or 101x"),
    Network("MODEL.BACKBONE.LAST_STRIDE", 1, "stride of the last layer", at_least(1)),
    Ignored("MODEL.BACKBONE.FEAT_DIM", 2048, "the network itself knows how many channels its feature maps have"),
    Network("MODEL.BACKBONE.NORM", "BN", "norm of the backbone", Component(NORMS)),
    Network("MODEL.BACKBONE.WITH_IBN", False, "IBN-a in layers 1 to 3"),
    Ignored("MODEL.BACKBONE.WITH_SE", False, "squeeze and excitation"),
    Network("MODEL.BACKBONE.WITH_NL", False, "non-local blocks"),
    Ignored("MODEL.BACKBONE.SIE_COE", 3.0, "of fast-reid's vision transformer"),
    Ignored("MODEL.BACKBONE.STRIDE_SIZE", (16, 16), "of fast-reid's vision transformer"),
    Training("MODEL.BACKBONE.DROP_PATH_RATIO", 0.1, "stochastic depth of timm models", BELOW_ONE),
    Ignored("MODEL.BACKBONE.DROP_RATIO", 0.0, "of fast-reid's vision transformer"),
    Ignored("MODEL.BACKBONE.ATT_DROP_RATE", 0.0, "of fast-reid's vision transformer"),
    Training("MODEL.BACKBONE.PRETRAIN", False, "start from the weights of `MODEL.BACKBONE.PRETRAIN_PATH`"),
    Training("MODEL.BACKBONE.PRETRAIN_PATH", "", "file of ImageNet weights: torchvision, IBN-Net or timm"),
    Network("MODEL.HEADS.NAME", "EmbeddingHead", "the head", Component(HEADS)),
    Network("MODEL.HEADS.NORM", "BN", "norm of the neck", Component(NORMS)),
    Training("MODEL.HEADS.NUM_CLASSES", 0, "classes of the classifier; 0: as many as training identities", at_least(0)),
    Network("MODEL.HEADS.EMBEDDING_DIM", 0, "dimension of the embedding; 0: no projection", at_least(0)),
    Network("MODEL.HEADS.WITH_BNNECK", False, "a norm between embedding and classifier"),
    Training("MODEL.HEADS.NECK_FEAT", "before", "embeddings that pair losses see", one_of("before", "after")),
    Network("MODEL.HEADS.POOL_LAYER", "GlobalAvgPool", "the pooling", Component(POOLING)),
    Training("MODEL.HEADS.CLS_LAYER", "Linear", "the classifier", Component(CLASSIFIERS)),
    Training("MODEL.HEADS.MARGIN", 0.0, "margin of the classifier"),
    Training("MODEL.HEADS.SCALE", 1, "scale of the classifier's logits", POSITIVE),
    OurTraining("MODEL.HEADS.DROPOUT", 0.0, "of `ProjectionHead`", BELOW_ONE),
    OurTraining("MODEL.HEADS.EASY_MARGIN", False, "`ArcSoftmax` applies its margin below 90 degrees only"),
    OurTraining("MODEL.HEADS.SUB_CENTERS", 1, "class weights per identity (sub-centre ArcFace)", at_least(1)),
    OurTraining("MODEL.HEADS.SAMPLED_CLASSES", 0, "classes on the device in a step (Partial FC); 0: all", at_least(0)),
    Training("MODEL.LOSSES.NAME", ("CrossEntropyLoss",), "the losses, added up", Component(LOSSES)),
    Training("MODEL.LOSSES.CE.EPSILON", 0.0, "label smoothing; -1: adaptive", SMOOTHING),
    Training("MODEL.LOSSES.CE.ALPHA", 0.2, "factor of adaptive label smoothing"),
    Training("MODEL.LOSSES.CE.SCALE", 1.0, "weight of CrossEntropyLoss", at_least(0)),
    Training("MODEL.LOSSES.FL.ALPHA", 0.25, "factor of FocalLoss", POSITIVE),
    Training("MODEL.LOSSES.FL.GAMMA", 2.0, "exponent of FocalLoss", at_least(0)),
    Training("MODEL.LOSSES.FL.SCALE", 1.0, "weight of FocalLoss", at_least(0)),
    OurTraining("MODEL.LOSSES.FL.OF_MEAN", False, "weigh the batch's mean cross entropy instead of each sample's"),
    Training("MODEL.LOSSES.TRI.MARGIN", 0.3, "0: soft margin", at_least(0)),
    Training("MODEL.LOSSES.TRI.NORM_FEAT", False, "distances of normalised embeddings"),
    Training("MODEL.LOSSES.TRI.HARD_MINING", False, "hardest pairs instead of weighted ones"),
    Training("MODEL.LOSSES.TRI.SCALE", 1.0, "weight of TripletLoss", at_least(0)),
    Training("MODEL.LOSSES.CIRCLE.MARGIN", 0.25, "relaxation of the decision boundary, in cosine"),
    Training("MODEL.LOSSES.CIRCLE.GAMMA", 128, "scale of the logits", POSITIVE),
    Training("MODEL.LOSSES.CIRCLE.SCALE", 1.0, "weight of CircleLoss", at_least(0)),
    Training("MODEL.LOSSES.COSFACE.MARGIN", 0.25, "margin, in cosine"),
    Training("MODEL.LOSSES.COSFACE.GAMMA", 128, "scale of the logits", POSITIVE),
    Training("MODEL.LOSSES.COSFACE.SCALE", 1.0, "weight of Cosface", at_least(0)),
    OurTraining("MODEL.LOSSES.MINED.MARGIN", 0.1, "of MinedTripletLoss and MinedContrastiveLoss", at_least(0)),
    OurTraining("MODEL.LOSSES.MINED.SCALE", 1.0, "weight of MinedTripletLoss and MinedContrastiveLoss", at_least(0)),
    OurTraining("MODEL.LOSSES.XBM.ENABLED", False, "pair losses also see the embeddings of past steps"),
    OurTraining("MODEL.LOSSES.XBM.SIZE", 8192, "embeddings in that memory", at_least(1)),
    OurTraining("MODEL.LOSSES.XBM.START_ITER", 1000, "first iteration that uses the memory", at_least(0)),
    Ours("MODEL.CLIP.NAME", "ViT-B-32", "of `PatentCLIP`: an open_clip model, or the JSON file of one"),
    OurTraining("MODEL.CLIP.LOSS", "clip", "softmax or sigmoid over pairs", one_of("clip", "siglip")),
    Ours("MODEL.CLIP.PRETRAINED", "", "file, tag or hf-hub: name of weights that open_clip knows; empty: random"),
    OurTraining(
        "MODEL.CLIP.POSITIVES",
        "pair",
        "positive pairs of a batch: an image and its caption, all of an identity, all of a class",
        one_of("pair", "identity", "class"),
    ),
    OurTraining("MODEL.CLIP.LOCK", [], "towers that are not trained", TOWERS),
    OurTraining("MODEL.CLIP.CHECKPOINTING", False, "recompute the layers of the towers in the backward pass"),
    OurTraining("MODEL.CLIP.CHUNK", 0, "images embedded at a time (gradient caching); 0: the whole batch", at_least(0)),
    Key("DESCRIPTOR.NAME", "", "a classic descriptor in place of the network", Component(DESCRIPTORS, ("",)), ours=True),
    OurTraining("DESCRIPTOR.VOCABULARY.WORDS", 64, "Gaussians of sift_fisher", at_least(1)),
    OurTraining("DESCRIPTOR.VOCABULARY.DIM", 64, "dimensions of sift_fisher after PCA", at_least(1)),
    OurTraining("DESCRIPTOR.VOCABULARY.DRAWINGS", 1000, "training images that sift_fisher is learned on", at_least(1)),
    Ignored("KD.MODEL_CONFIG", [], "knowledge distillation"),
    Ignored("KD.MODEL_WEIGHTS", [], "knowledge distillation"),
    Ignored("KD.EMA.ENABLED", False, "knowledge distillation"),
    Ignored("KD.EMA.MOMENTUM", 0.999, "knowledge distillation"),
)

"""Every configuration key with its default.

Keys and values are those that users of fast-reid know; the keys marked "ours" have no counterpart there.
"""

from yacs.config import CfgNode as CN

IMAGENET_MEAN = [0.485 * 255, 0.456 * 255, 0.406 * 255]
IMAGENET_STD = [0.229 * 255, 0.224 * 255, 0.225 * 255]

_C = CN()
_C.SEED = 0  # ours: of sampler, augmentation and initial weights
_C.OUTPUT_DIR = "logs/"
_C.CUDNN_BENCHMARK = False

# ---------------------------------------------------------------- network
_C.MODEL = CN()
_C.MODEL.DEVICE = "cuda"  # cuda, cuda:N, cpu or mps
_C.MODEL.META_ARCHITECTURE = "Baseline"
_C.MODEL.FREEZE_LAYERS = []
_C.MODEL.QUEUE_SIZE = 8192
_C.MODEL.WEIGHTS = ""
_C.MODEL.TOWER_WEIGHTS = ["", ""]  # ours: files that the towers for drawings and for photographs of TwoBranch start from
_C.MODEL.COMPILE = False  # ours: torch.compile the backbone; where that fails, the run says so and goes on without
_C.MODEL.PIXEL_MEAN = list(IMAGENET_MEAN)  # as many channels as the network takes: one value, or three
_C.MODEL.PIXEL_STD = list(IMAGENET_STD)

_C.MODEL.BACKBONE = CN()
_C.MODEL.BACKBONE.NAME = "build_resnet_backbone"
_C.MODEL.BACKBONE.TIMM_NAME = ""  # ours: which timm model, where NAME is timm
_C.MODEL.BACKBONE.DEPTH = "50x"
_C.MODEL.BACKBONE.LAST_STRIDE = 1
_C.MODEL.BACKBONE.FEAT_DIM = 2048
_C.MODEL.BACKBONE.NORM = "BN"
_C.MODEL.BACKBONE.WITH_IBN = False
_C.MODEL.BACKBONE.WITH_SE = False
_C.MODEL.BACKBONE.WITH_NL = False
_C.MODEL.BACKBONE.SIE_COE = 3.0
_C.MODEL.BACKBONE.STRIDE_SIZE = (16, 16)
_C.MODEL.BACKBONE.DROP_PATH_RATIO = 0.1
_C.MODEL.BACKBONE.DROP_RATIO = 0.0
_C.MODEL.BACKBONE.ATT_DROP_RATE = 0.0
_C.MODEL.BACKBONE.PRETRAIN = False
_C.MODEL.BACKBONE.PRETRAIN_PATH = ""

_C.MODEL.HEADS = CN()
_C.MODEL.HEADS.NAME = "EmbeddingHead"
_C.MODEL.HEADS.NORM = "BN"
_C.MODEL.HEADS.NUM_CLASSES = 0  # 0: as many as the training identities
_C.MODEL.HEADS.EMBEDDING_DIM = 0  # 0: no projection
_C.MODEL.HEADS.WITH_BNNECK = False
_C.MODEL.HEADS.NECK_FEAT = "before"
_C.MODEL.HEADS.POOL_LAYER = "GlobalAvgPool"
_C.MODEL.HEADS.CLS_LAYER = "Linear"
_C.MODEL.HEADS.MARGIN = 0.0
_C.MODEL.HEADS.SCALE = 1
_C.MODEL.HEADS.DROPOUT = 0.0  # ours: of ProjectionHead
_C.MODEL.HEADS.EASY_MARGIN = False  # ours: ArcSoftmax asks for its margin only below 90 degrees
_C.MODEL.HEADS.SUB_CENTERS = 1  # ours: class weights an identity may choose from
_C.MODEL.HEADS.SAMPLED_CLASSES = 0  # ours: classes on the device in a step, the others wait in host memory; 0: all

_C.MODEL.LOSSES = CN()
_C.MODEL.LOSSES.NAME = ("CrossEntropyLoss",)
_C.MODEL.LOSSES.CE = CN({"EPSILON": 0.0, "ALPHA": 0.2, "SCALE": 1.0})
_C.MODEL.LOSSES.FL = CN({"ALPHA": 0.25, "GAMMA": 2.0, "SCALE": 1.0})
_C.MODEL.LOSSES.FL.OF_MEAN = False  # ours: weigh the batch's mean cross entropy, not each drawing's
_C.MODEL.LOSSES.TRI = CN({"MARGIN": 0.3, "NORM_FEAT": False, "HARD_MINING": False, "SCALE": 1.0})
_C.MODEL.LOSSES.CIRCLE = CN({"MARGIN": 0.25, "GAMMA": 128, "SCALE": 1.0})
_C.MODEL.LOSSES.COSFACE = CN({"MARGIN": 0.25, "GAMMA": 128, "SCALE": 1.0})
_C.MODEL.LOSSES.MINED = CN({"MARGIN": 0.1, "SCALE": 1.0})  # ours: MinedTripletLoss and MinedContrastiveLoss
_C.MODEL.LOSSES.XBM = CN({"ENABLED": False, "SIZE": 8192, "START_ITER": 1000})  # ours: pairs with embeddings of past steps

# ours: where META_ARCHITECTURE is PatentCLIP: an open_clip model by name, or the JSON file of one
_C.MODEL.CLIP = CN({"NAME": "ViT-B-32", "LOSS": "clip"})  # LOSS: clip or siglip
_C.MODEL.CLIP.PRETRAINED = ""  # a local file, a tag or hf-hub: name that open_clip knows; empty: random
_C.MODEL.CLIP.POSITIVES = "pair"  # right pairs of a batch: pair (a drawing and its caption), identity (one patent), class
_C.MODEL.CLIP.LOCK = []  # towers that do not learn: image, text
_C.MODEL.CLIP.CHECKPOINTING = False  # recompute the layers of the towers in the backward pass
_C.MODEL.CLIP.CHUNK = 0  # gradient caching: drawings embedded at a time, for batches larger than memory; 0: all

_C.DESCRIPTOR = CN({"NAME": ""})  # ours: the classic descriptor that stands in for the network; empty: none
# ours: of sift_fisher: Gaussians, dimensions after PCA, and how many training drawings of DATASETS.NAMES it is learned on
_C.DESCRIPTOR.VOCABULARY = CN({"WORDS": 64, "DIM": 64, "DRAWINGS": 1000})

_C.KD = CN({"MODEL_CONFIG": [], "MODEL_WEIGHTS": [], "EMA": CN({"ENABLED": False, "MOMENTUM": 0.999})})

# ---------------------------------------------------------------- drawings
_C.INPUT = CN()
_C.INPUT.SIZE_TRAIN = [256, 128]  # height, width
_C.INPUT.SIZE_TEST = [256, 128]
_C.INPUT.KEEP_ASPECT = False  # ours: fit the drawing to SIZE_* as FIT says instead of stretching it
_C.INPUT.FIT = "paper"  # ours: paper (inside, on white), crop (shorter side, then a window), shorter (no window), native
_C.INPUT.INTERPOLATION = "bicubic"  # ours: how drawings are resized to SIZE_*, or bilinear; both anti-aliased
_C.INPUT.CROP = CN({"ENABLED": False, "SIZE": [224, 224], "SCALE": [0.16, 1.0], "RATIO": [3 / 4, 4 / 3]})
_C.INPUT.FLIP = CN({"ENABLED": False, "PROB": 0.5})
_C.INPUT.PADDING = CN({"ENABLED": False, "MODE": "constant", "SIZE": 10})
_C.INPUT.PADDING.VALUE = 0  # ours: 0 black as published, 255 white paper
_C.INPUT.CJ = CN({"ENABLED": False, "PROB": 0.5, "BRIGHTNESS": 0.15, "CONTRAST": 0.15, "SATURATION": 0.1, "HUE": 0.1})
_C.INPUT.AFFINE = CN({"ENABLED": False})
_C.INPUT.AUTOAUG = CN({"ENABLED": False, "PROB": 0.0})
_C.INPUT.AUGMIX = CN({"ENABLED": False, "PROB": 0.0})
_C.INPUT.REA = CN({"ENABLED": False, "PROB": 0.5, "VALUE": list(IMAGENET_MEAN)})
_C.INPUT.REA.AREA = [0.02, 0.33]  # ours: of the drawing's, smallest and largest
_C.INPUT.ROTATE = CN({"ENABLED": False, "PROB": 0.5, "DEGREES": 10.0})  # ours: turned by up to DEGREES to either side
_C.INPUT.BLUR = CN({"ENABLED": False, "PROB": 0.5, "SIGMA": [0.1, 1.0]})  # ours: Gaussian blur, sigma in pixels
_C.INPUT.AUGMENT_ON = "auto"  # ours: workers (drawing by drawing), device (a batch at a time) or auto: device on a card
_C.INPUT.RPT = CN({"ENABLED": False, "PROB": 0.5})

_C.DATASETS = CN()
_C.DATASETS.ROOT = "datasets"  # ours: the folder that holds the data
_C.DATASETS.PACKS = "packs"  # ours: where `fastpatent data pack` writes, inside ROOT or absolute; empty: use no pack
_C.DATASETS.NAMES = ("Market1501",)
_C.DATASETS.TESTS = ("Market1501",)
_C.DATASETS.COMBINEALL = False
# ours: which text goes with a drawing: caption, title or description (of its figure)
_C.DATASETS.CAPTIONS = CN({"TEXT": "caption"})
# ours: CSV files (filepath,caption) of `Captioned`; or, for any data set, a table of texts by identity
_C.DATASETS.CAPTIONS.TRAIN, _C.DATASETS.CAPTIONS.TEST = "", ""
_C.DATASETS.CAPTIONS.TABLE = CN({"FILE": "", "IDENTITY": "id", "TEXT": "title", "CLASS": ""})  # names of its columns
_C.DATASETS.DRAWINGS = CN({"VAL_FRACTION": 0.2, "SEED": 0})  # ours: how `Drawings` splits a folder by identity

_C.DATALOADER = CN()
_C.DATALOADER.SAMPLER_TRAIN = "TrainingSampler"
_C.DATALOADER.NUM_INSTANCE = 4
_C.DATALOADER.NUM_WORKERS = 8
_C.DATALOADER.SET_WEIGHT = []
# ours: MinedTupleSampler: tuples of query, positive and NEGATIVES an epoch, mined from POOL random drawings
_C.DATALOADER.MINING = CN({"QUERIES": 2000, "POOL": 20000, "NEGATIVES": 5})

# ---------------------------------------------------------------- training
_C.SOLVER = CN()
_C.SOLVER.AMP = CN({"ENABLED": False})
_C.SOLVER.OPT = "Adam"
_C.SOLVER.MAX_EPOCH = 120
_C.SOLVER.BASE_LR = 3e-4
_C.SOLVER.HEADS_LR_FACTOR = 1.0
_C.SOLVER.CLASSIFIER_LR_FACTOR = 1.0  # ours: of the class weights, times HEADS_LR_FACTOR
_C.SOLVER.LAYER_DECAY = 1.0  # ours: each layer of the backbone learns slower than the next by this factor
_C.SOLVER.MOMENTUM = 0.9
_C.SOLVER.NESTEROV = False
_C.SOLVER.WEIGHT_DECAY = 5e-4
_C.SOLVER.WEIGHT_DECAY_NORM = 5e-4
_C.SOLVER.WEIGHT_DECAY_BIAS = 5e-4
_C.SOLVER.BIAS_LR_FACTOR = 1.0
_C.SOLVER.SCHED = "MultiStepLR"
_C.SOLVER.DELAY_EPOCHS = 0
_C.SOLVER.GAMMA = 0.1
_C.SOLVER.STEPS = [30, 55]
_C.SOLVER.ETA_MIN_LR = 1e-7
_C.SOLVER.WARMUP_FACTOR = 0.1
_C.SOLVER.WARMUP_ITERS = 1000
_C.SOLVER.WARMUP_METHOD = "linear"
_C.SOLVER.FREEZE_ITERS = 0
_C.SOLVER.CHECKPOINT_PERIOD = 20  # epochs
_C.SOLVER.IMS_PER_BATCH = 64  # over all processes
_C.SOLVER.GRAD_ACCUM_STEPS = 1  # ours: parts that a process's share of the batch is computed in, one after another
_C.SOLVER.EMA = CN({"ENABLED": False, "DECAY": 0.999})  # ours: evaluate and keep a moving average of the weights
_C.SOLVER.CLIP_GRADIENTS = CN({"ENABLED": False, "CLIP_TYPE": "norm", "CLIP_VALUE": 5.0, "NORM_TYPE": 2.0})

# ---------------------------------------------------------------- evaluation
_C.TEST = CN()
_C.TEST.EVAL_PERIOD = 20  # epochs; 0: only at the end
_C.TEST.BEST_METRIC = "mAP"  # ours: the figure that chooses model_best.pth
_C.TEST.IMS_PER_BATCH = 64
_C.TEST.PRECISION = "fp32"  # ours: fp32, bf16 or fp16
_C.TEST.METRIC = "cosine"  # or euclidean
_C.TEST.ROC = CN({"ENABLED": False})
_C.TEST.FLIP = CN({"ENABLED": False})
_C.TEST.SCALES = [1.0]  # ours: average the features of the drawing at these sizes
# ours: PCA whitening to DIM numbers (0: all), learned on at most DRAWINGS training drawings of DATASETS.NAMES
_C.TEST.WHITENING = CN({"ENABLED": False, "DIM": 0, "DRAWINGS": 20000})
_C.TEST.ENSEMBLE = CN({"CONFIGS": [], "WEIGHTS": []})  # ours: networks whose features are joined, and the weight of each
_C.TEST.AQE = CN({"ENABLED": False, "ALPHA": 3.0, "QE_TIME": 1, "QE_K": 5})
_C.TEST.AQE.SIDE = "both"  # ours: both as published, query (alpha-QE) or database (database-side augmentation)
_C.TEST.AQE.NORMALIZE = False  # ours: average rows of length 1
_C.TEST.TEXT_WEIGHT = 0.0  # ours: share of a query's caption in its feature, of networks with a text tower; 1: text alone
_C.TEST.WISE_FT = 1.0  # ours: weights between those of MODEL.CLIP.PRETRAINED (0) and the trained ones (1)
_C.TEST.CACHE_FEATURES = True  # ours: keep features in OUTPUT_DIR while weights, config and drawings are the same
_C.TEST.RERANK = CN({"ENABLED": False, "K1": 20, "K2": 6, "LAMBDA": 0.3})
_C.TEST.PRECISE_BN = CN({"ENABLED": False, "DATASET": "Market1501", "NUM_ITER": 300})

# ---------------------------------------------------------------- benchmark
_C.BENCHMARK = CN({"SYSTEMS": []})  # ours: configuration files, each of a network or a descriptor
_C.BENCHMARK.LOGS = ""  # ours: every run below this folder that has model_best.pth takes part too; empty: none
_C.BENCHMARK.DISTRACTORS = []  # ours: data sets all of whose drawings are added to the database, for the curve over its size
_C.BENCHMARK.RESAMPLES = 1000  # ours: of the patents, for the 95% intervals


def get_cfg():
    """Return a fresh yacs node with every key at its default."""
    return _C.clone()

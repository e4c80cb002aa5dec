"""docs/configuration.md: how files are read, and every key."""

from fastpatent.config.report import keys_table

INTRODUCTION = """\
# Configuration

<!-- written by `fastpatent config --table`; edit fastpatent/config instead -->

A run is a YAML file. The keys, their names and their defaults are those of fast-reid, so a file
written for it runs here unchanged for every component that is here; [fast_reid.md](fast_reid.md)
has what works differently.

    fastpatent config --config-file configs/patent/sbs_R101-ibn_patent_384.yml SOLVER.MAX_EPOCH 20
    fastpatent config --explain TEST.AQE
    fastpatent config --list

The first command prints the merged result as YAML and, as comments below it, what differs from the
defaults. The second explains a key or all keys of a section. The third lists the configurations
that come with fastpatent.

- `--config-file` takes a path, or the name of a configuration that comes with fastpatent, from any
  working directory: `own_drawings`, `sample/own_drawings` or `configs/sample/own_drawings.yml`. A
  file of the working directory comes first. `TEST.ENSEMBLE.CONFIGS`, `BENCHMARK.SYSTEMS`, the JSON
  file of `MODEL.CLIP.NAME` and `load_config` in Python find files in the same way; `_BASE_` takes
  paths only.
- `test`, `extract`, `find`, `index build`, `export` and `classify` without `--config-file` use the
  network in the box, and say so, unless `MODEL.WEIGHTS`, `MODEL.CLIP.PRETRAINED`, `DESCRIPTOR.NAME` or
  `TEST.ENSEMBLE.CONFIGS` on the command line chooses another. All other keys still count.
- The `config.yaml` of a run is enough to use it: `fastpatent test --config-file
  logs/run/config.yaml` takes `model_best.pth` beside it, else `model_final.pth`. The
  `MODEL.WEIGHTS` in that file, from which its training started, are for training only.
- To use a network, a relative `MODEL.WEIGHTS` of a file is looked for beside the file given by
  `--config-file`, then in the working directory. One of the command line comes before all this,
  and is looked for in the working directory first.
- `_BASE_: ../Base-SBS.yml` inherits from another file, relative to the one that names it; all in
  all a configuration is read from at most 50 files and 256 KiB.
- An alias (`*name`) stands for a number or a short text only, not for a list or a section, and
  there are no merge keys (`<<`).
- `KEY VALUE` pairs at the end of the command line override every file. Lists are written as in
  YAML: `DATASETS.TESTS "[DeepPatentTest]"`.
- `~` and variables (`$DATA`, `${DATA}`) are expanded in every path. A variable that is not set is
  an error.
- A setting without effect is named, such as `INPUT.REA.PROB` where `INPUT.REA.ENABLED` is False, if
  the file itself or the command line has it, not a base.
- Every mistake is reported at once, with file and line and the nearest valid name. This includes
  the names of components: backbones, heads, losses, samplers, data sets, descriptors, metrics.
- Keys of fast-reid that have no effect here (`KD.*`, `TEST.ROC`, `MODEL.BACKBONE.WITH_SE`, ...) are
  accepted. One warning lists those that a file sets to anything but their default.
- `MODEL.PIXEL_MEAN` and `MODEL.PIXEL_STD` decide how many channels the network takes. An image
  stays one grey channel up to the input of the network, where it is repeated as often as there are
  means.

## Keys

A star marks keys that fast-reid has too. "features": cached features are computed again when the
key changes. `fastpatent config --explain KEY` also tells what a changed value does to a run that is
resumed.

"""


def document() -> str:
    """Return the text of docs/configuration.md."""
    return INTRODUCTION + keys_table()

"""Where pretrained weights of a backbone lie: a path, timm's own, a model of the Hugging Face hub, an installed package."""

from importlib.machinery import PathFinder
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from yacs.config import CfgNode

from fastpatent.downloads import check_download
from fastpatent.errors import ConfigError, missing_extra, shown
from fastpatent.models.clip.architecture import HUB

KEY = "MODEL.BACKBONE.PRETRAIN_PATH"
TIMM, PACKAGE = "timm", "package:"  # beside HUB: PRETRAIN_PATH is this word, or begins so
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # as timm names them
SUFFIXES = (".pth", ".pt", ".safetensors")  # of weights in a package


def is_name(path: str) -> bool:
    """Return whether PRETRAIN_PATH names published weights, not a file; a file called `timm` is `./timm`."""
    return path == TIMM or path.startswith((HUB, PACKAGE))


def pretrained_file(cfg: CfgNode) -> str:
    """Return the path of the weights MODEL.BACKBONE.PRETRAIN_PATH, downloaded only where that is allowed.

    It is `timm` for timm's own weights of TIMM_NAME, `hf-hub:owner/name[@revision]`, `package:NAME` for an installed
    package that has one weights file (no code of it runs), or a path.

    Raises:
        ConfigError: there are no such weights, or the download failed or is not allowed.
    """
    import timm

    settings = cfg.MODEL.BACKBONE
    name: str = settings.PRETRAIN_PATH
    if name.startswith(HUB):
        return _hub_file(name.removeprefix(HUB))
    if name.startswith(PACKAGE):
        return _package_file(name.removeprefix(PACKAGE))
    if name != TIMM:
        return name
    if settings.NAME != "timm":
        raise ConfigError(
            f"{KEY}: timm has weights of its own networks, and MODEL.BACKBONE.NAME is {settings.NAME}; name a file"
        )
    source = timm.get_pretrained_cfg(settings.TIMM_NAME)
    if source and source.hf_hub_id:
        return _hub_file(source.hf_hub_id)
    if source and source.url:
        return _url_file(str(source.url))
    raise ConfigError(f"{KEY}: timm has no weights of {settings.TIMM_NAME}; name a file, or choose another model")


def _hub_file(model: str) -> str:
    """Return the path of a model's weights: in the cache of the Hugging Face hub, or else downloaded to it."""
    name, _, revision = model.partition("@")
    try:
        for file in HUB_FILES:  # hf_hub_download would ask the hub about itself even where it is to look here only
            if isinstance(found := try_to_load_from_cache(name, file, revision=revision or None), str):
                return found
    except ValueError as error:  # no name of a model
        raise ConfigError(f"{KEY}: {HUB}{model} could not be downloaded: {_reason(error)}") from error
    check_download(KEY, HUB + model)
    for file in HUB_FILES:
        try:
            return hf_hub_download(name, file, revision=revision or None)
        except Exception as error:  # of the hub and of the connection, of many kinds
            if isinstance(error, LocalEntryNotFoundError) or not isinstance(error, EntryNotFoundError):  # the first: offline
                raise ConfigError(f"{KEY}: {HUB}{model} could not be downloaded: {_reason(error)}") from error
    raise ConfigError(f"{KEY}: {HUB}{model} has neither {' nor '.join(HUB_FILES)}; name a file")


def _url_file(url: str) -> str:
    """Return the path of the file at a URL in torch's cache, downloaded where it is not there."""
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not file.is_file():
        check_download(KEY, url)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), progress=False)
        except OSError as error:
            raise ConfigError(f"{KEY}: {url} could not be downloaded: {_reason(error)}") from error
    return str(file)


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _package_file(name: str) -> str:
    """Return the path of the one weights file in an installed package, which is found without running its code."""
    module = name.replace("-", "_")
    spec = PathFinder.find_spec(module) if module.isidentifier() else None
    if spec is None:
        hint = missing_extra(ModuleNotFoundError(name=module)) or f"the package is not installed: pip install {shown(name)}"
        raise ConfigError(f"{KEY}: {hint}")
    folders = spec.submodule_search_locations or ()
    files = sorted(str(file) for folder in folders for file in Path(folder).rglob("*") if file.suffix in SUFFIXES)
    if len(files) != 1:
        several = f"several weights files, {', '.join(map(shown, files[:3]))}; name one of them"
        raise ConfigError(f"{KEY}: the package {name} has {several if files else 'no weights file; name a file'}")
    return files[0]

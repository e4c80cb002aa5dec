import os
import shutil

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.config.names import leaves, section_of
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation import cache_key as module
from fastpatent.evaluation.cache_key import differences, feature_origin, origin_key

CPU = torch.device("cpu")
# Every key that changes a feature, or keeps the network from being built where its value is misspelt.
DECIDING = {
    "INPUT.SIZE_TEST", "INPUT.KEEP_ASPECT", "INPUT.FIT", "INPUT.INTERPOLATION",
    "TEST.FLIP.ENABLED", "TEST.SCALES", "TEST.PRECISION",
    "MODEL.META_ARCHITECTURE", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD", "MODEL.LOSSES.NAME",
    *(f"MODEL.BACKBONE.{name}" for name in ("NAME", "TIMM_NAME", "DEPTH", "LAST_STRIDE", "NORM", "WITH_IBN", "WITH_NL")),
    *(f"MODEL.HEADS.{name}" for name in ("NAME", "NORM", "EMBEDDING_DIM", "WITH_BNNECK", "POOL_LAYER", "CLS_LAYER")),
}  # fmt: skip
KEYS = [key for key, _ in leaves(load_config()) if key not in ("MODEL.WEIGHTS", "DATASETS.ROOT", "DESCRIPTOR.NAME")]


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (list, tuple)):
        return type(value)([*value, 7])
    return value + ("x" if isinstance(value, str) else 1)


def configure(folder, **given):
    cfg = load_config(overrides=["DATASETS.ROOT", str(folder / "data"), "MODEL.WEIGHTS", str(folder / "net.pth")]).clone()
    cfg.defrost()
    for key, value in given.items():
        section, name = section_of(cfg, key)
        section[name] = value
    return cfg


@pytest.fixture
def folder(tmp_path):
    """A folder with weights and three drawings."""
    (tmp_path / "data" / "design").mkdir(parents=True)
    for name in "abc":
        (tmp_path / "data" / "design" / name).write_bytes(name.encode() * 9)
    (tmp_path / "net.pth").write_bytes(b"weights")
    return tmp_path


def splits(folder, names="abc"):
    samples = [Sample(str(folder / "data" / "design" / name), None) for name in names]
    return Splits("Set", [], samples[:1], samples[1:])


def key_of(folder, names="abc", device=CPU, **given):
    return origin_key(feature_origin(configure(folder, **given), splits(folder, names), device))


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_the_configuration_that_decide(folder, key):
    value = dict(leaves(load_config()))[key]
    assert (key_of(folder, **{key: changed(value)}) != key_of(folder)) == (key in DECIDING)


@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith("MODEL.CLIP.") or key == "TEST.WISE_FT"])
def test_keys_of_two_towers_decide_where_there_are_two(folder, key):
    value, two = dict(leaves(load_config()))[key], {"MODEL.META_ARCHITECTURE": "PatentCLIP"}
    decides = key in ("MODEL.CLIP.NAME", "MODEL.CLIP.PRETRAINED", "TEST.WISE_FT")
    assert (key_of(folder, **two, **{key: changed(value)}) != key_of(folder, **two)) == decides


@pytest.mark.parametrize("key", [*KEYS, "DESCRIPTOR.NAME"])
def test_nothing_of_the_network_decides_a_descriptors_features(folder, key):
    value = "pixels" if key == "DESCRIPTOR.NAME" else changed(dict(leaves(load_config()))[key])
    given = {"DESCRIPTOR.NAME": "hog", "MODEL.WEIGHTS": ""}
    assert (key_of(folder, **given | {key: value}) != key_of(folder, **given)) == (key == "DESCRIPTOR.NAME")
    assert key_of(folder, **given) != key_of(folder)


def test_a_vocabulary_decides_by_its_bytes(folder):
    given = {"DESCRIPTOR.NAME": "sift_fisher"}
    before = feature_origin(configure(folder, **given), splits(folder), CPU)
    _rewrite(folder)
    assert differences(feature_origin(configure(folder, **given), splits(folder), CPU), before) == ["weights"]


def test_equal_weights_and_drawings_elsewhere_are_the_same(folder):
    moved = folder / "moved"
    moved.mkdir()
    shutil.copytree(folder / "data", moved / "data")
    (moved / "net.pth").write_bytes(b"weights")
    for name in "abc":
        state = (folder / "data" / "design" / name).stat()
        os.utime(moved / "data" / "design" / name, ns=(0, state.st_mtime_ns))
    assert key_of(moved) == key_of(folder)


def test_order_and_number_of_drawings_decide(folder):
    keys = [key_of(folder, names) for names in ("abc", "acb", "ab", "abca")]
    assert len(set(keys)) == 4


def _rewrite(folder):
    (folder / "net.pth").write_bytes(b"weightS")


def _grow(folder):
    (folder / "data" / "design" / "b").write_bytes(b"more than before")


def _touch(folder):
    path = folder / "data" / "design" / "b"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _replace(folder):
    """Other content of the same size and time is the one change that only decoding would notice."""
    path = folder / "data" / "design" / "b"
    time = path.stat().st_mtime_ns
    path.write_bytes(b"c" * 9)
    os.utime(path, ns=(0, time))


@pytest.mark.parametrize(
    "change, part", [(_rewrite, "weights"), (_grow, "drawings"), (_touch, "drawings"), (_replace, None)]
)
def test_a_changed_file_is_named(folder, change, part):
    before = feature_origin(configure(folder), splits(folder), CPU)
    change(folder)
    after = feature_origin(configure(folder), splits(folder), CPU)
    assert differences(after, before) == ([part] if part else [])


@pytest.mark.parametrize("package", ["fastpatent", "torch", "PIL"])
def test_another_version_decides(folder, package, monkeypatch):
    before = key_of(folder)
    monkeypatch.setattr(getattr(module, package), "__version__", "9.9")
    assert key_of(folder) != before


def test_the_kind_of_device_decides_and_not_its_number(folder):
    one, other = (key_of(folder, device=torch.device("cuda", number)) for number in (0, 1))
    assert one == other != key_of(folder)


def test_differences_name_keys(folder):
    before = feature_origin(configure(folder), splits(folder), CPU)
    after = feature_origin(
        configure(folder, **{"INPUT.SIZE_TEST": [9, 9], "TEST.PRECISION": "bf16"}), splits(folder, "ab"), CPU
    )
    assert differences(after, before) == ["configuration (INPUT.SIZE_TEST, TEST.PRECISION)", "drawings"]


@pytest.mark.parametrize("missing", ["net.pth", "data/design/b"])
def test_a_missing_file_is_an_os_error(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(OSError, match=missing):
        feature_origin(configure(folder), splits(folder), CPU)

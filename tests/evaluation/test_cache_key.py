"""The key of cached features: which settings, files, versions and devices change it."""

import os
import shutil

import pytest
import torch

from fastpatent.config import Key, add_key, get_cfg
from fastpatent.config.key import NETWORK, NONE
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves, section_of
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation import cache_key as module
from fastpatent.evaluation.cache_key import differences, feature_origin, origin_key

CPU = torch.device("cpu")
DESCRIPTOR = {"DESCRIPTOR.NAME": "hog", "MODEL.WEIGHTS": ""}
BY_BYTES = {"MODEL.WEIGHTS", "DATASETS.ROOT"}  # paths, of which only the files below count


def changed(key, value):
    """Another value of the same type."""
    if key == "DESCRIPTOR.NAME":
        return "pixels"
    if isinstance(value, bool):
        return not value
    if isinstance(value, (list, tuple)):
        return type(value)([*value, 7])
    return value + ("x" if isinstance(value, str) else 1)


def configure(folder, **given):
    """The configuration of a run below a folder, with further values that need not be valid."""
    cfg = get_cfg()
    for key, value in {"DATASETS.ROOT": str(folder / "data"), "MODEL.WEIGHTS": str(folder / "net.pth"), **given}.items():
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


def origin_of(folder, names="abc", device=CPU, **given):
    return feature_origin(configure(folder, **given), splits(folder, names), device)


def key_of(folder, names="abc", device=CPU, **given):
    return origin_key(origin_of(folder, names, device, **given))


@pytest.fixture
def add():
    """`add_key`, whose keys are removed after the test."""
    before = dict(KEYS)
    yield add_key
    KEYS.clear()
    KEYS.update(before)


def test_every_key_counts_unless_the_table_of_keys_excludes_it(folder):
    """Of networks all but those of no feature; of descriptors also not those of networks alone."""
    defaults = dict(leaves(get_cfg()))
    assert defaults.keys() == KEYS.keys()
    network, descriptor = key_of(folder), key_of(folder, **DESCRIPTOR)
    assert network != descriptor
    counted = {"network": set(), "descriptor": set()}
    for key in KEYS.keys() - BY_BYTES:
        other = {key: changed(key, defaults[key])}
        if key != "DESCRIPTOR.NAME" and key_of(folder, **other) != network:
            counted["network"].add(key)
        if key_of(folder, **DESCRIPTOR | other) != descriptor:
            counted["descriptor"].add(key)
    of_networks = {key for key, row in KEYS.items() if row.features == NETWORK}
    assert {key for key, row in KEYS.items() if row.features not in (NETWORK, NONE)} == {"DESCRIPTOR.NAME", "INPUT.INVERT"}
    assert counted == {"network": of_networks | {"INPUT.INVERT"}, "descriptor": {"DESCRIPTOR.NAME", "INPUT.INVERT"}}


def test_a_key_from_outside_counts_for_everything_unless_it_is_excluded(folder, add):
    add(Key("INPUT.SHARPEN", 0.0, "not known to the cache"))
    add(Key("MODEL.BACKBONE.TWISTS", [1, 2], "of networks alone", features=NETWORK))
    add(Key("TEST.COLOUR_OF_TABLES", "red", "of no feature", features=NONE))
    for key, expected in (
        ("INPUT.SHARPEN", (True, True)),
        ("MODEL.BACKBONE.TWISTS", (True, False)),
        ("TEST.COLOUR_OF_TABLES", (False, False)),
    ):
        other = {key: changed(key, KEYS[key].default)}
        found = tuple(key_of(folder, **given | other) != key_of(folder, **given) for given in ({}, DESCRIPTOR))
        assert found == expected, key
    before = origin_of(folder)
    assert differences(origin_of(folder, **{"INPUT.SHARPEN": 0.5}), before) == ["configuration (INPUT.SHARPEN)"]


def test_a_value_that_names_a_file_counts_by_its_bytes(folder, add):
    add(Key("INPUT.MASK", "", "a file that every feature depends on"))
    add(Key("TEST.TEMPLATE", "", "a file of no feature", features=NONE))
    for key, counts in (("INPUT.MASK", True), ("TEST.TEMPLATE", False), ("MODEL.CLIP.NAME", True)):
        path = folder / f"{key}.txt"
        path.write_text("first")
        given = {key: str(path)}
        before = origin_of(folder, **given)
        os.utime(path, ns=(0, 0))
        assert origin_of(folder, **given) == before, key
        path.write_text("other")
        expected = [f"configuration ({key} (file))"] if counts else []
        assert differences(origin_of(folder, **given), before) == expected, key


def test_published_weights_count_by_their_bytes_where_there_are_no_others(folder):
    given = {"MODEL.WEIGHTS": "", "MODEL.CLIP.PRETRAINED": str(folder / "net.pth")}
    before = origin_of(folder, **given)
    _rewrite(folder)
    assert differences(origin_of(folder, **given), before) == ["configuration (MODEL.CLIP.PRETRAINED (file))"]
    with pytest.raises(OSError):
        origin_of(folder, **{"MODEL.WEIGHTS": ""})


def test_weights_to_interpolate_with_count_by_their_bytes(folder):
    path = folder / "pretrained.pth"
    for given, counts in (({"TEST.WISE_FT": 0.5}, True), ({}, False), ({"TEST.WISE_FT": 0.5} | DESCRIPTOR, False)):
        given = given | {"MODEL.BACKBONE.PRETRAIN_PATH": str(path)}
        path.write_text("first")
        before = origin_of(folder, **given)
        path.write_text("other")
        expected = ["configuration (MODEL.BACKBONE.PRETRAIN_PATH (file))"] if counts else []
        assert differences(origin_of(folder, **given), before) == expected, given


def test_a_vocabulary_counts_by_its_bytes(folder):
    before = origin_of(folder, **{"DESCRIPTOR.NAME": "sift_fisher"})
    _rewrite(folder)
    assert differences(origin_of(folder, **{"DESCRIPTOR.NAME": "sift_fisher"}), before) == ["weights"]


def test_equal_weights_and_drawings_in_another_folder_give_the_same_key(folder):
    moved = folder / "moved"
    moved.mkdir()
    shutil.copytree(folder / "data", moved / "data")
    (moved / "net.pth").write_bytes(b"weights")
    for name in "abc":
        state = (folder / "data" / "design" / name).stat()
        os.utime(moved / "data" / "design" / name, ns=(0, state.st_mtime_ns))
    assert key_of(moved) == key_of(folder)


def test_order_and_number_of_drawings_count(folder):
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


def test_a_changed_file_is_named(folder):
    for change, part in ((_rewrite, "weights"), (_replace, None), (_touch, "drawings"), (_grow, "drawings")):
        before = origin_of(folder)
        change(folder)
        assert differences(origin_of(folder), before) == ([part] if part else []), change.__name__


def test_another_version_counts(folder, monkeypatch):
    before = key_of(folder)
    for package in ("fastpatent", "torch", "PIL"):
        with monkeypatch.context() as patched:
            patched.setattr(getattr(module, package), "__version__", "9.9")
            assert key_of(folder) != before, package


def test_the_kind_of_device_counts_and_not_its_number(folder):
    one, other = (key_of(folder, device=torch.device("cuda", number)) for number in (0, 1))
    assert one == other != key_of(folder)


def test_differences_name_keys(folder):
    after = origin_of(folder, "ab", **{"INPUT.SIZE_TEST": [9, 9], "TEST.PRECISION": "bf16"})
    assert differences(after, origin_of(folder)) == ["configuration (INPUT.SIZE_TEST, TEST.PRECISION)", "drawings"]


def test_a_missing_file_is_an_os_error(folder):
    for missing in ("net.pth", "data/design/b"):
        (folder / missing).rename(folder / "elsewhere")
        with pytest.raises(OSError, match=missing):
            origin_of(folder)
        (folder / "elsewhere").rename(folder / missing)

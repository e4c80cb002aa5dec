"""Which source a configuration gets, and the description of it in the log."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from fastpatent.data.image_source import DecodedDrawings, build_decode, build_source
from fastpatent.data.load_datasets import load_training_set
from fastpatent.data.pack.place import pack_folder, pack_size
from fastpatent.data.pack.write import write_pack
from fastpatent.data.records import Sample

REPAIR = "; what is missing is decoded each time, `fastpatent data pack` repairs it"


@pytest.fixture
def samples(patent_cfg):
    return load_training_set(patent_cfg)


@pytest.fixture
def write(patent_cfg, samples):
    """Function () that packs `samples`, ten to a shard; returns the pack's folder."""

    def packed():
        size = pack_size(patent_cfg, "SIZE_TRAIN")
        folder = pack_folder(patent_cfg, size)
        decode = build_decode(patent_cfg, "SIZE_TRAIN")
        write_pack(folder, size, patent_cfg.DATASETS.ROOT, [s.path for s in samples], decode, shard_drawings=10)
        return folder

    return packed


def test_decoded(patent_cfg, samples):
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", samples)
    folder = os.path.join(patent_cfg.DATASETS.ROOT, "packs", "24x20")
    assert reason == f"decoded each time: no pack in {folder}; `fastpatent data pack` makes one"
    for path in [sample.path for sample in samples[:5]]:
        truth = np.asarray(Image.open(path).resize((20, 24), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(source(path), truth)
    patent_cfg.DATASETS.PACKS = ""
    assert build_source(patent_cfg, "SIZE_TRAIN", samples)[1] == "decoded each time: DATASETS.PACKS is empty"


def test_packed(patent_cfg, samples, write):
    folder = write()
    _, reason = build_source(patent_cfg, "SIZE_TRAIN", samples)
    assert reason == f"24 of 24 drawings from {folder}"
    patent_cfg.INPUT.KEEP_ASPECT = True
    assert f"no pack in {folder}-aspect;" in build_source(patent_cfg, "SIZE_TRAIN", samples)[1]


def test_images_in_memory_stand_beside_a_pack(patent_cfg, samples, write):
    write()
    ink = Image.fromarray(np.linspace(0, 90, 1200).reshape(40, 30).astype(np.uint8))
    given = [samples[0], Sample("images[1]", None, image=ink), samples[2]]
    plain, resized = ink.resize((20, 24), Image.Resampling.BICUBIC), build_source(patent_cfg, "SIZE_TRAIN", samples)[0]
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", given)
    assert reason.startswith("2 of 3 drawings from ")
    np.testing.assert_array_equal(source("images[1]"), np.asarray(plain))
    np.testing.assert_array_equal(source(samples[2].path), resized(samples[2].path))
    patent_cfg.INPUT.INVERT = "auto"
    source, _ = build_source(patent_cfg, "SIZE_TRAIN", given)
    inverted = ImageOps.invert(ink).resize((20, 24), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(source("images[1]"), np.asarray(inverted))


def test_inverted_drawings_are_corrected_and_packed_apart(patent_cfg, samples, write):
    paths = [sample.path for sample in samples[:3]]
    truths = [np.asarray(Image.open(path).resize((20, 24), Image.Resampling.BICUBIC)) for path in paths]
    for path in paths[:2]:
        ImageOps.invert(Image.open(path)).save(path)
    folder = write()
    source, _ = build_source(patent_cfg, "SIZE_TRAIN", samples)
    assert not (source(paths[0]) == truths[0]).any()
    patent_cfg.INPUT.INVERT = "auto"
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", samples)
    assert f"no pack in {folder}-invert;" in reason
    decoded = [source(path) for path in paths]
    assert write() == f"{folder}-invert"
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", samples)
    assert reason == f"24 of 24 drawings from {folder}-invert"
    for path, pixels, truth in zip(paths, decoded, truths):
        np.testing.assert_array_equal(pixels, truth)
        np.testing.assert_array_equal(source(path), truth)


def test_drawings_of_various_sizes_are_decoded_each_time(patent_cfg, samples, write):
    for fit in ["crop", "shorter", "native"]:
        patent_cfg.INPUT.KEEP_ASPECT, patent_cfg.INPUT.FIT = True, "paper"
        folder = write()
        patent_cfg.INPUT.FIT = fit
        source, reason = build_source(patent_cfg, "SIZE_TEST", samples)
        assert os.path.isdir(folder) and isinstance(source, DecodedDrawings), f"{fit=}"
        assert reason.startswith(f"decoded each time: INPUT.FIT is {fit}, and a pack holds images of one size"), f"{fit=}"


def test_each_interpolation_has_a_pack_of_its_own(patent_cfg, samples, write):
    folder = write()
    patent_cfg.INPUT.INTERPOLATION = "bilinear"
    assert f"no pack in {folder}-bilinear;" in build_source(patent_cfg, "SIZE_TRAIN", samples)[1]
    assert write() == f"{folder}-bilinear"
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", samples)
    assert reason == f"24 of 24 drawings from {folder}-bilinear"
    for path in [sample.path for sample in samples[:5]]:
        truth = np.asarray(Image.open(path).resize((20, 24), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(source(path), truth)


def test_every_reason_not_to_use_a_pack_is_named(patent_cfg, samples, write):
    folder = write()
    changed, other = samples[0].path, Sample(samples[0].path.replace("D00000", "D00009"), "x")
    os.utime(changed)
    os.truncate(f"{folder}/00002.0.u8", 480)
    os.truncate(f"{folder}/00001.json", 480)
    reason = build_source(patent_cfg, "SIZE_TRAIN", [*samples, other])[1]
    parts = reason.removesuffix(REPAIR).split("; ")
    assert reason.endswith(REPAIR) and parts == [
        f"9 of 25 drawings from {folder}",
        f"15 not in it, {samples[10].path} first",
        f"1 changed since they were packed, {changed} first",
        f"{folder}/00001.json: the index is damaged or only half written",
        "1 more of its shards are unusable",
    ]
    os.unlink(f"{folder}/00001.json")
    parts = build_source(patent_cfg, "SIZE_TRAIN", samples)[1].removesuffix(REPAIR).split("; ")
    assert parts[3:] == [f"{folder}/00002.0.u8: the shard has 480 bytes instead of 1,920"]
    write()
    assert build_source(patent_cfg, "SIZE_TRAIN", samples)[1] == f"24 of 24 drawings from {folder}"


def test_packs_lie_in_the_folder_of_the_configuration(patent_cfg, samples, write, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    patent_cfg.DATASETS.PACKS = str(elsewhere)
    assert write() == f"{elsewhere}/24x20"
    patent_cfg.DATASETS.PACKS = "a/b"
    assert write() == f"{patent_cfg.DATASETS.ROOT}/a/b/24x20"


def test_drawings_outside_the_root_are_decoded(patent_cfg, samples, write, write_drawing, tmp_path_factory):
    folder = write()
    outside = tmp_path_factory.mktemp("outside") / os.path.relpath(samples[0].path, patent_cfg.DATASETS.ROOT)
    outside.parent.mkdir(parents=True)
    shutil.copy2(samples[1].path, outside)
    source, reason = build_source(patent_cfg, "SIZE_TRAIN", [Sample(str(outside), None)])
    assert reason.startswith(f"0 of 1 drawings from {folder}; 1 not in it, ")
    np.testing.assert_array_equal(source(str(outside)), source(samples[1].path))

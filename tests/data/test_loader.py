"""Loaders: the same batches for any number of workers, ranks and resumes, and faults in one sentence."""

import os
import re
import signal
import subprocess
import sys
import time
from glob import glob
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from fastpatent.data import loader as loader_module
from fastpatent.data.image_source import DecodedDrawings
from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.data.loader import build_test_loader, build_train_loader
from fastpatent.data.pack.place import pack_folder, pack_size
from fastpatent.data.pack.write import write_pack
from fastpatent.data.transforms import build_resize
from fastpatent.errors import ConfigError, DataError

CPU = torch.device("cpu")


@pytest.fixture
def augmented(patent_cfg):
    """`patent_cfg` with random augmentations of every kind."""
    for name in ("AUTOAUG", "PADDING", "FLIP", "CJ", "AFFINE", "REA"):
        patent_cfg.INPUT[name].ENABLED = True
    patent_cfg.INPUT.AUTOAUG.PROB = 0.5
    return patent_cfg


@pytest.fixture
def two_workers(monkeypatch):
    """Up to two worker processes, also on a machine with one core."""
    monkeypatch.setattr(loader_module, "worker_count", lambda requested: (min(requested, 2), "test"))


def take(loader, count):
    return list(islice(loader, count))


def assert_equal(batches, others):
    assert len(batches) == len(others)
    for one, other in zip(batches, others):
        assert set(one) == {"images", "targets", "domains", "indices", "positions"}
        for key in one:
            assert torch.equal(one[key], other[key])


def test_attributes_and_labels(augmented):
    loader = build_train_loader(augmented, CPU)
    assert loader.num_classes == 6 and loader.batches_per_epoch == 3 and len(loader.samples) == 24
    assert loader.identities == sorted(loader.identities)
    for batch in take(loader, 5):
        assert batch["images"].shape == (8, 1, 24, 20) and batch["images"].dtype == torch.uint8
        assert batch["targets"].dtype == batch["indices"].dtype == torch.int64
        for target, index in zip(batch["targets"].tolist(), batch["indices"].tolist()):
            assert loader.identities[target] == loader.samples[index].identity
    assert batch["positions"].tolist() == list(range(4 * 8, 5 * 8))
    assert "no pack" in loader.source_reason
    augmented.SOLVER.IMS_PER_BATCH, augmented.DATALOADER.SAMPLER_TRAIN = 64, "TrainingSampler"
    assert build_train_loader(augmented, CPU).batches_per_epoch == 1


def test_workers_change_nothing(augmented, two_workers):
    alone = take(build_train_loader(augmented, CPU), 8)
    augmented.DATALOADER.NUM_WORKERS = 2
    assert_equal(take(build_train_loader(augmented, CPU), 8), alone)


def test_runs_and_seeds(augmented):
    first = take(build_train_loader(augmented, CPU), 3)
    torch.manual_seed(77)
    torch.rand(5)
    assert_equal(take(build_train_loader(augmented, CPU), 3), first)
    augmented.SEED = 1
    assert any(not torch.equal(a["images"], b["images"]) for a, b in zip(take(build_train_loader(augmented, CPU), 3), first))


@pytest.mark.parametrize("sampler", ["TrainingSampler", "NaiveIdentitySampler", "BalancedIdentitySampler"])
def test_a_resume_gives_the_same_batches(augmented, sampler):
    augmented.DATALOADER.SAMPLER_TRAIN = sampler
    whole = take(build_train_loader(augmented, CPU), 10)
    for start in (1, 4, 7):
        assert_equal(take(build_train_loader(augmented, CPU, start_batch=start), 3), whole[start : start + 3])


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_interleave_to_the_batch_of_one_process(augmented, monkeypatch, world_size):
    whole = take(build_train_loader(augmented, CPU), 4)
    monkeypatch.setattr(loader_module.distributed, "world_size", lambda: world_size)
    shares = []
    for rank in range(world_size):
        monkeypatch.setattr(loader_module.distributed, "rank", lambda rank=rank: rank)
        shares.append(take(build_train_loader(augmented, CPU), 4))
    joined = [
        {key: torch.stack([part[key] for part in parts], dim=1).flatten(0, 1) for key in parts[0]} for parts in zip(*shares)
    ]
    assert_equal(joined, whole)


def test_random_generators_outside_are_not_used(augmented, two_workers):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for workers in (0, 2):
        augmented.DATALOADER.NUM_WORKERS = workers
        take(build_train_loader(augmented, CPU), 2)
        take(build_test_loader(augmented, load_test_set(augmented, "Patent").query, CPU), 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_test_loader_keeps_the_order_and_reads_again(patent_cfg, two_workers, workers):
    patent_cfg.DATALOADER.NUM_WORKERS = workers
    splits = load_test_set(patent_cfg, "Patent")
    samples = splits.query + splits.gallery
    loader = build_test_loader(patent_cfg, samples, CPU)
    assert len(loader) == 3
    for _ in range(2):
        batches = list(loader)
        assert [len(batch["images"]) for batch in batches] == [5, 5, 2]
        assert torch.cat([batch["indices"] for batch in batches]).tolist() == list(range(12))
        images = torch.cat([batch["images"] for batch in batches])
        for image, sample in zip(images, samples):
            truth = Image.open(sample.path).resize((20, 24), Image.Resampling.BICUBIC)
            np.testing.assert_array_equal(image[0].numpy(), np.asarray(truth))
        names = sorted({sample.identity for sample in samples})
        assert torch.cat([b["targets"] for b in batches]).tolist() == [names.index(sample.identity) for sample in samples]


def test_test_images_are_resized_and_then_cropped(patent_cfg):
    samples = load_test_set(patent_cfg, "Patent").query
    whole = take(build_test_loader(patent_cfg, samples, CPU), 1)[0]["images"]
    height, width = whole.shape[2:]
    patent_cfg.INPUT.CROP.ENABLED, patent_cfg.INPUT.CROP.SIZE = True, [height - 8, width - 4]
    cropped = take(build_test_loader(patent_cfg, samples, CPU), 1)[0]["images"]
    assert torch.equal(cropped, whole[:, :, 4:-4, 2:-2])


def test_unlabelled_and_empty_lists(patent_cfg):
    samples = [sample._replace(identity=None) for sample in load_test_set(patent_cfg, "Patent").gallery]
    assert next(iter(build_test_loader(patent_cfg, samples, CPU)))["targets"].tolist() == [-1] * 5
    assert list(build_test_loader(patent_cfg, [], CPU)) == []


def test_a_single_batch_starts_no_process(patent_cfg, two_workers):
    patent_cfg.DATALOADER.NUM_WORKERS, samples = 2, load_test_set(patent_cfg, "Patent").gallery
    assert [build_test_loader(patent_cfg, samples[:count], CPU).num_workers for count in (5, 6)] == [0, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_drawing_is_named_without_a_traceback(patent_cfg, two_workers, workers):
    patent_cfg.DATALOADER.NUM_WORKERS = workers
    samples = load_test_set(patent_cfg, "Patent").gallery
    with open(samples[6].path, "r+b") as file:
        file.truncate(60)
    loader = iter(build_test_loader(patent_cfg, samples, CPU))
    assert len(next(loader)["images"]) == 5
    with pytest.raises(DataError, match=rf"^{re.escape(samples[6].path)}: cannot be read as a drawing: [^\n]*$"):
        next(loader)


def write_packs(cfg):
    """Pack every drawing below the root for training and for testing; return the folders."""
    folders = []
    for key in ("SIZE_TRAIN", "SIZE_TEST"):
        size, decode = pack_size(cfg, key), DecodedDrawings(build_resize(cfg, key))
        folders.append(pack_folder(cfg, size))
        paths = glob(f"{cfg.DATASETS.ROOT}/**/*.png", recursive=True)
        write_pack(folders[-1], size, cfg.DATASETS.ROOT, paths, decode, shard_drawings=7)
    return folders


def in_other_formats(paths):
    """Write drawings anew as TIFF in one bit, JPEG and 16 bits, all named as before: the content decides, not the name."""
    one_bit, jpeg, deep = paths
    with Image.open(one_bit) as image:
        image.convert("1").resize((300, 200)).save(one_bit, "TIFF", compression="group4")
    with Image.open(jpeg) as image:
        image.convert("RGB").resize((77, 130)).save(jpeg, "JPEG")
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, (50, 31)).astype(np.uint16)).save(deep, "PNG")


@pytest.mark.parametrize("keep_aspect", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_pack_changes_no_bit(augmented, two_workers, workers, keep_aspect):
    augmented.DATALOADER.NUM_WORKERS, augmented.INPUT.KEEP_ASPECT = workers, keep_aspect
    augmented.INPUT.SIZE_TEST = [40, 33]
    train, splits = load_training_set(augmented), load_test_set(augmented, "Patent")
    in_other_formats([sample.path for sample in train[1::9]])
    in_other_formats([sample.path for sample in splits.gallery[1::3]])

    def batches():
        loaders = build_train_loader(augmented, CPU), build_test_loader(augmented, splits.query + splits.gallery, CPU)
        return take(loaders[0], 6) + list(loaders[1]), [loader.source_reason for loader in loaders]

    decoded, reasons = batches()
    assert all("no pack" in reason for reason in reasons)
    folders = write_packs(augmented)
    packed, reasons = batches()
    assert reasons == [f"24 of 24 drawings from {folders[0]}", f"12 of 12 drawings from {folders[1]}"]
    assert_equal(packed, decoded)
    for sample in (train[3], splits.query[0]):
        Image.fromarray(np.tri(9, 14, dtype=np.uint8) * 255).save(sample.path)
    stale, reasons = batches()
    assert [reason.split(",")[0] for reason in reasons] == [
        f"23 of 24 drawings from {folders[0]}; 1 changed since they were packed",
        f"11 of 12 drawings from {folders[1]}; 1 changed since they were packed",
    ]
    augmented.DATASETS.PACKS = ""
    anew, _ = batches()
    assert_equal(stale, anew)
    with pytest.raises(AssertionError):
        assert_equal(stale, packed)


def test_packed_drawings_are_not_decoded(patent_cfg, monkeypatch):
    write_packs(patent_cfg)
    monkeypatch.setattr(DecodedDrawings, "__call__", None)
    take(build_train_loader(patent_cfg, CPU), 3)
    list(build_test_loader(patent_cfg, load_test_set(patent_cfg, "Patent").gallery, CPU))


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_pixels_are_named_without_a_traceback(patent_cfg, two_workers, workers):
    patent_cfg.DATALOADER.NUM_WORKERS = workers
    folder, _ = write_packs(patent_cfg)
    for shard in glob(f"{folder}/*.u8"):
        with open(shard, "r+b") as file:
            file.write(b"\x07")
    with pytest.raises(
        DataError, match=rf"^{folder}/0000\d.0.u8: the packed pixels of [^\n]* `fastpatent data pack` [^\n]*$"
    ):
        take(build_train_loader(patent_cfg, CPU), 9)


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_pixels_and_files_are_replaced_up_to_a_share(patent_cfg, two_workers, workers, tmp_path):
    patent_cfg.DATALOADER.NUM_WORKERS, patent_cfg.DATALOADER.MAX_BROKEN = workers, 0.1
    patent_cfg.OUTPUT_DIR = str(tmp_path / "run")
    folder, _ = write_packs(patent_cfg)
    for shard in glob(f"{folder}/0000[01].0.u8"):  # one drawing each
        with open(shard, "r+b") as file:
            file.write(b"\x07")
    loader = build_train_loader(patent_cfg, CPU)
    batches = take(loader, 9)
    found = list(loader.quarantine.found)
    assert len(found) == 2 and all("the packed pixels of" in reason for reason in loader.quarantine.found.values())
    for batch in batches:
        assert set(batch) == {"images", "targets", "domains", "indices", "positions"} and len(batch["images"]) == 8
        for target, index in zip(batch["targets"].tolist(), batch["indices"].tolist()):
            assert loader.samples[index].path not in found and loader.identities[target] == loader.samples[index].identity
        assert batch["targets"].bincount(minlength=6)[batch["targets"].unique()].tolist() == [2] * 4
    assert_equal(take(build_train_loader(patent_cfg, CPU, start_batch=4), 3), batches[4:7])


def test_an_identity_without_a_readable_drawing_is_passed_over(patent_cfg, tmp_path):
    patent_cfg.DATALOADER.MAX_BROKEN, patent_cfg.OUTPUT_DIR = 0.17, str(tmp_path)
    loader = build_train_loader(patent_cfg, CPU)
    for sample in loader.samples[:4]:
        Path(sample.path).write_bytes(b"")
    seen = {target for batch in take(loader, 6) for target in batch["targets"].tolist()}
    assert seen == set(range(1, 6)) and len(loader.quarantine.found) == 4


def test_batches_to_be_augmented_on_the_device_are_not_augmented_before(augmented):
    augmented.INPUT.CJ.ENABLED = augmented.INPUT.AFFINE.ENABLED = False
    here = build_train_loader(augmented, CPU)
    assert here.augmentation is None and here.augmentation_reason == "the network is not on a GPU"
    augmented.INPUT.AUGMENT_ON = "device"
    loader = build_train_loader(augmented, CPU, start_batch=2)
    assert loader.augmentation_reason == "INPUT.AUGMENT_ON is device"
    batch = take(loader, 1)[0]
    assert batch["positions"].tolist() == list(range(16, 24))
    for image, index in zip(batch["images"], batch["indices"]):
        truth = Image.open(loader.samples[index].path).resize((20, 24), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(image[0].numpy(), np.asarray(truth))
    changed = loader.augmentation(batch["images"], batch["positions"])
    assert changed.shape == batch["images"].shape and not torch.equal(changed, batch["images"])
    augmented.INPUT.AUGMENT_ON = "auto"
    assert build_train_loader(augmented, torch.device("cuda", 1)).augmentation_reason == "the network is on a GPU"


def test_the_window_of_fit_crop_is_cut_before_and_the_rest_is_left_to_the_device(patent_cfg):
    """Images of different sizes form a batch of windows, the same that image by image are cut."""
    patent_cfg.INPUT.KEEP_ASPECT, patent_cfg.INPUT.FIT = True, "crop"
    alone = take(build_train_loader(patent_cfg, CPU), 2)  # nothing but the window
    patent_cfg.INPUT.CJ.ENABLED, patent_cfg.INPUT.ROTATE.ENABLED, patent_cfg.INPUT.AUGMENT_ON = True, True, "device"
    loader = build_train_loader(patent_cfg, CPU)
    batches = take(loader, 2)
    assert_equal(batches, alone)
    changed = loader.augmentation(batches[0]["images"], batches[0]["positions"])
    assert changed.shape == (8, 1, 24, 20) and not torch.equal(changed, batches[0]["images"])


def test_packs_are_not_read_as_drawings(patent_cfg):
    patent_cfg.DATASETS.NAMES = patent_cfg.DATASETS.TESTS = ("Drawings",)
    before = load_training_set(patent_cfg)
    write_packs(patent_cfg)
    assert load_training_set(patent_cfg) == before


def test_a_killed_worker_is_a_sentence_and_other_faults_pass_through(patent_cfg, monkeypatch):
    """The errors that torch raises, without a real kill, whose timing would make this test slow and unreliable."""
    killed = DataError, "processes that read drawings was killed"
    for fault, (kind, message) in (
        (RuntimeError("DataLoader worker (pid 31) is killed by signal: Killed. "), killed),
        (RuntimeError("DataLoader worker (pid(s) 31, 32) exited unexpectedly"), killed),
        (ConnectionResetError(104, "Connection reset by peer"), killed),
        (RuntimeError("a fault of another kind"), (RuntimeError, "another kind")),
    ):

        def batches(_, fault=fault):
            yield {"images": None}
            raise fault

        monkeypatch.setattr(DataLoader, "__iter__", batches)
        loader = iter(build_train_loader(patent_cfg, CPU))
        next(loader)
        with pytest.raises(kind, match=message):
            next(loader)


@pytest.mark.slow
def test_ctrl_c_leaves_one_traceback(patent_root):
    """As in a terminal, the signal goes to the main process and to its workers."""
    program = f"""
import signal, torch
from fastpatent.config import get_cfg
from fastpatent.data import loader
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be inherited as ignored
loader.worker_count = lambda requested: (2, "test")
cfg = get_cfg()
cfg.DATASETS.ROOT, cfg.DATASETS.NAMES = {str(patent_root)!r}, ("Patent",)
cfg.SOLVER.IMS_PER_BATCH, cfg.MODEL.DEVICE = 8, "cpu"
for number, batch in enumerate(loader.build_train_loader(cfg, torch.device("cpu"))):
    if number == 5:
        print("going", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout.readline() == "going\n"
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt"), errors


def test_a_batch_that_the_sampler_cannot_fill_is_refused(patent_cfg):
    patent_cfg.SOLVER.IMS_PER_BATCH = 9
    with pytest.raises(ConfigError, match="9 is not a multiple of DATALOADER.NUM_INSTANCE 2"):
        build_train_loader(patent_cfg, CPU)

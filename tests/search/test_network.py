"""Which network an index is of: the digest, and the configuration that its manifest makes again."""

import shutil

import pytest

from fastpatent.config import load_config_in_use
from fastpatent.config.default_network import CONFIG, WEIGHTS
from fastpatent.config.names import leaves
from fastpatent.device import choose_device
from fastpatent.errors import CheckpointError, DataError
from fastpatent.search.network import check_network, describe_network, stored_config, tolerant_pipeline
from tests.polygons import write_designs

CPU = choose_device("cpu").device


def described(*settings, config=CONFIG):
    return describe_network(tolerant_pipeline(load_config_in_use(config, settings), CPU))


def test_the_network_in_the_box_is_stored_by_name_and_made_again():
    network = described("TEST.FLIP.ENABLED", "True", "OUTPUT_DIR", "x", "DATALOADER.NUM_WORKERS", "7")
    assert network["config"]["MODEL.WEIGHTS"] == "default" and not network["texts"]
    again = stored_config("I", network)
    expected = dict(leaves(load_config_in_use(CONFIG, ["TEST.FLIP.ENABLED", "True"])))
    assert dict(leaves(again)) == expected and again.MODEL.WEIGHTS == WEIGHTS
    assert describe_network(tolerant_pipeline(again, CPU)) == network
    assert stored_config("I", network, ["DATALOADER.NUM_WORKERS", "3"]).DATALOADER.NUM_WORKERS == 3


def test_the_digest_depends_on_weights_and_on_what_decides_features(tmp_path):
    network = described()
    assert described("TEST.IMS_PER_BATCH", "3", "SOLVER.MAX_EPOCH", "9")["digest"] == network["digest"]
    shutil.copy(WEIGHTS, tmp_path / "same.safetensors")
    assert described("MODEL.WEIGHTS", str(tmp_path / "same.safetensors"))["digest"] == network["digest"]
    other = described("INPUT.SIZE_TEST", "[64, 64]")
    assert other["digest"] != network["digest"]
    with pytest.raises(DataError, match="I: this index is of another network, they differ in INPUT.SIZE_TEST"):
        check_network("I", network, other)
    with open(tmp_path / "same.safetensors", "r+b") as file:
        file.seek(-9, 2)
        file.write(b"x")
    changed = described("MODEL.WEIGHTS", str(tmp_path / "same.safetensors"))
    with pytest.raises(DataError, match="its weights were changed"):
        check_network("I", changed | {"digest": network["digest"]}, changed)


def test_a_vocabulary_is_stored_as_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_designs(tmp_path / "designs", 8)
    settings = ("DESCRIPTOR.NAME", "sift_fisher", "DESCRIPTOR.VOCABULARY.WORDS", "2", "DESCRIPTOR.VOCABULARY.DIM", "2")
    data = ("DATASETS.NAMES", "[Drawings]", "DATASETS.ROOT", "designs", "DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", "run")
    network = described(*settings, *data, config=None)
    assert network["config"]["MODEL.WEIGHTS"] == str(tmp_path / "run/vocabulary.safetensors")
    monkeypatch.chdir("/")
    again = describe_network(tolerant_pipeline(stored_config("I", network), CPU))
    assert again["digest"] == network["digest"]


@pytest.mark.parametrize(
    "config, error, message",
    [
        ({"MODEL.NEW": 1}, DataError, "its manifest is of another version: MODEL.NEW is no key"),
        ({"MODEL": 1}, DataError, "MODEL is no key"),
        ({"TEST.FLIP.ENABLED": "maybe"}, DataError, "TEST.FLIP.ENABLED expects True or False"),
        ({"INPUT.SIZE_TEST": [0, 0]}, DataError, "is damaged: INPUT.SIZE_TEST"),
    ],
)
def test_a_configuration_that_is_not_of_this_version(config, error, message):
    with pytest.raises(error, match=message):
        stored_config("I", {"config": config})


def test_weights_that_are_gone(tmp_path):
    with pytest.raises(CheckpointError, match="gone.pth: no such weights file"):
        described("MODEL.WEIGHTS", str(tmp_path / "gone.pth"))

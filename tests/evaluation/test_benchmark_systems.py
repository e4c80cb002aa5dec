"""Which systems a benchmark finds, under which names, and what of their configurations it replaces."""

from pathlib import Path

import numpy as np
import pytest

from fastpatent.config import load_config
from fastpatent.errors import ConfigError
from fastpatent.evaluation.benchmark_systems import _names, read_systems
from fastpatent.evaluation.ensemble import read_members


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with configurations and trained runs."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "a/test.yml": "MODEL: {WEIGHTS: net.pth}\nTEST: {METRIC: euclidean}",
        "b/test.yml": "MODEL: {WEIGHTS: gone.pth}",
        "hog.yml": "DESCRIPTOR: {NAME: hog}",
        "joined.yml": "TEST: {ENSEMBLE: {CONFIGS: [a/test.yml, hog.yml]}}",
        "wrong.yml": "MODEL: {WIEGHTS: net.pth}",
        "net.pth": "",
        "logs/first/config.yaml": "MODEL: {WEIGHTS: stage1.pth}",
        "logs/first/model_best.pth": "",
        "logs/deep/second/config.yaml": "NO_SUCH_KEY: 1",
        "logs/deep/second/model_best.pth": "",
        "logs/unfinished/config.yaml": "{}",
        "logs/stray/model_best.pth": "",
        "logs/all/systems/hog/config.yaml": "{}",
        "logs/all/systems/hog/model_best.pth": "",
    }.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def read(systems=(), logs="", *words):
    given = ["BENCHMARK.SYSTEMS", list(systems), "BENCHMARK.LOGS", logs, "OUTPUT_DIR", "logs/all", *words]
    return read_systems(load_config(overrides=[str(word) for word in given]))


def test_files_that_come_with_fastpatent_are_found_from_anywhere(folder):
    (found,) = read(["configs/descriptors/hog.yml"])
    assert (found.name, found.source, found.cfg.DESCRIPTOR.NAME) == ("hog", "configs/descriptors/hog.yml", "hog")
    (member,) = read_members(load_config(overrides=["TEST.ENSEMBLE.CONFIGS", "[lbp]"]))
    assert (member.name, member.cfg.DESCRIPTOR.NAME) == ("lbp", "lbp")


def test_files_by_the_shortest_names_that_differ(folder):
    found = read(["a/test.yml", "b/test.yml", "hog.yml", "joined.yml"])
    assert [system.name for system in found] == ["a/test", "b/test", "hog", "joined"]
    assert [system.source for system in found] == ["a/test.yml", "b/test.yml", "hog.yml", "joined.yml"]
    assert [bool(system.lacks) for system in found] == [False, True, False, False]
    assert found[1].lacks == "MODEL.WEIGHTS names no file: 'gone.pth'"


def test_names_against_every_pair():
    rng = np.random.default_rng(0)
    files = ["/".join(rng.choice(["a", "b", "c"], rng.integers(1, 6))) + ".yml" for _ in range(200)]
    parts = [file[:-4].split("/") for file in dict.fromkeys(files)]
    expected = []
    for own in parts:
        ends = [own[-depth:] for depth in range(1, len(own) + 1)]
        unique = [end for end in ends if sum(other[-len(end) :] == end for other in parts) == 1]
        expected.append("/".join([*unique, own][0]))
    assert list(_names(files)) == expected and list(_names(files).values()) == list(dict.fromkeys(files))


def test_runs_with_weights_and_configuration_but_those_of_the_benchmark(folder):
    found = read(logs="logs")
    assert [system.name for system in found] == ["deep/second", "first"]
    assert "NO_SUCH_KEY" in found[0].lacks
    assert not found[1].lacks and found[1].cfg.MODEL.WEIGHTS == found[1].source == "logs/first/model_best.pth"


def test_data_device_and_folder_are_the_benchmarks_and_the_rest_its_own(folder):
    system, *_ = read(
        ["a/test.yml"], "", "DATASETS.TESTS", "['DeepPatentTest']", "MODEL.DEVICE", "cpu", "TEST.METRIC", "cosine"
    )
    assert system.cfg.DATASETS.TESTS == ("DeepPatentTest",) and system.cfg.MODEL.DEVICE == "cpu"
    assert system.cfg.OUTPUT_DIR == "logs/all/systems/test" and system.cfg.TEST.METRIC == "euclidean"


def test_mistakes_are_named(folder):
    for systems, logs, message in (
        ([], "", "BENCHMARK.SYSTEMS and BENCHMARK.LOGS name no system"),
        (["nowhere.yml"], "", "BENCHMARK.SYSTEMS: there is no file nowhere.yml"),
        ([], "nowhere", "BENCHMARK.LOGS: there is no folder nowhere"),
        (["wrong.yml"], "", "MODEL.WEIGHTS"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(systems, logs)

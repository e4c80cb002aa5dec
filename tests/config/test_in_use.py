"""Which weights a configuration means, once a network is trained."""

from pathlib import Path

import pytest

from fastpatent.config import load_config, load_config_in_use, load_config_on
from fastpatent.config.in_use import MARK
from fastpatent.errors import ConfigError

RUN = f"{MARK}\nMODEL: {{WEIGHTS: start.pth}}\n"


@pytest.fixture
def files(write):
    """A function that writes a configuration in a/ and empty files; returns its path."""

    def files(*empty, config=RUN, name="config.yaml"):
        for path in empty:
            write(path, "")
        return write(f"a/{name}", config)

    return files


@pytest.mark.parametrize(
    "there, expected",
    [
        (("start.pth", "a/start.pth", "a/model_final.pth", "a/model_best.pth"), "a/model_best.pth"),
        (("start.pth", "a/model_final.pth"), "a/model_final.pth"),
    ],
)
def test_a_run_means_what_it_has_learned(files, there, expected):
    path = files(*there)
    assert load_config_in_use(path).MODEL.WEIGHTS == expected
    assert load_config_on(load_config(), path).MODEL.WEIGHTS == expected  # a member of an ensemble, a system of a benchmark
    assert load_config_in_use(path, ["MODEL.WEIGHTS", "start.pth"]).MODEL.WEIGHTS == "start.pth"
    assert load_config_in_use(path, ["MODEL.WEIGHTS", ""]).MODEL.WEIGHTS == ""
    assert load_config_in_use(path, ["DESCRIPTOR.NAME", "sift_fisher", "SEED", "1"]).MODEL.WEIGHTS == "start.pth"
    assert load_config(path).MODEL.WEIGHTS == "start.pth"  # for training


def test_weights_lie_beside_the_file_or_in_the_working_directory(files):
    files("here.pth", "a/net.pth", "b/net.pth", "both.pth", "a/both.pth")
    for config, overrides, expected in (
        (("net.pth", "mine.yml"), [], "a/net.pth"),
        (("net.pth", "config.yaml"), [], "a/net.pth"),  # without the mark of a run
        (("here.pth", "mine.yml"), [], "here.pth"),
        (("both.pth", "mine.yml"), [], "a/both.pth"),
        (("net.pth", "mine.yml"), ["MODEL.WEIGHTS", "both.pth"], "both.pth"),
        (("here.pth", "mine.yml"), ["MODEL.WEIGHTS", "net.pth"], "a/net.pth"),
        ((Path("b/net.pth").resolve(), "mine.yml"), [], str(Path("b/net.pth").resolve())),
        (("", "mine.yml"), [], ""),
    ):
        path = files(config=f"MODEL: {{WEIGHTS: '{config[0]}'}}\n", name=config[1])
        assert load_config_in_use(path, overrides).MODEL.WEIGHTS == expected, (config, overrides)
    assert load_config_in_use(None, ["MODEL.WEIGHTS", "here.pth"]).MODEL.WEIGHTS == "here.pth"


@pytest.mark.parametrize(
    "config, overrides, first, second",
    [
        (RUN, [], "a/model_best.pth", "a/model_final.pth"),
        (RUN, ["MODEL.WEIGHTS", "gone.pth"], "gone.pth", "a/gone.pth"),
        ("MODEL: {WEIGHTS: gone.pth}\n", [], "a/gone.pth", "gone.pth"),
    ],
)
def test_both_places_of_missing_weights_are_named(files, config, overrides, first, second):
    path = files("start.pth", config=config)
    with pytest.raises(ConfigError, match=f"^MODEL.WEIGHTS: there is neither {first} nor {second}; write the path"):
        load_config_in_use(path, overrides)


def test_no_weights_lie_beside_the_configurations_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config_in_use("sbs_R18_multiview_test").MODEL.WEIGHTS == "logs/multiview/R18_96/model_best.pth"

"""Members of an ensemble: which settings are their own, and cosines of joined features that are weighted means."""

import numpy as np
import pytest
import yaml

from fastpatent.config import load_config
from fastpatent.errors import ConfigError
from fastpatent.evaluation.ensemble import Member, join_features, read_members


def cosines(rows):
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def test_the_cosine_of_joined_rows_is_the_weighted_mean_of_cosines():
    rng = np.random.default_rng(0)
    features = [(scale * rng.standard_normal((9, dim))).astype(np.float32) for dim, scale in zip((5, 8, 3), (1, 1000, 0.01))]
    for weights in ([1.0, 1.0], [3.0, 0.5], [2.0, 1.0, 5.0]):
        used = features[: len(weights)]
        joined = join_features(used, weights)
        truth = sum(weight * cosines(rows) for weight, rows in zip(weights, used)) / sum(weights)
        assert joined.dtype == np.float32 and joined.shape == (9, sum(rows.shape[1] for rows in used))
        np.testing.assert_allclose(cosines(joined), truth, atol=1e-6, err_msg=str(weights))
        np.testing.assert_allclose(joined.astype(np.float64) @ joined.T.astype(np.float64), truth, atol=1e-6)


def write(path, settings):
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two member files beside their weights in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.pth").write_bytes(b"weights")
        settings = {"MODEL": {"WEIGHTS": f"{name}.pth", "DEVICE": "cuda:5"}, "INPUT": {"SIZE_TEST": [96, 96]}}
        write(tmp_path / f"{name}.yml", {**settings, "DATASETS": {"ROOT": "elsewhere"}, "OUTPUT_DIR": f"logs/{name}"})
    return tmp_path


def ensemble(*words, configs="['a.yml','b.yml']"):
    given = ["MODEL.DEVICE", "cpu", "DATASETS.ROOT", "here", "DATASETS.TESTS", "('PatentTest',)", "INPUT.SIZE_TEST", "[8,8]"]
    return load_config(overrides=[*given, "TEST.ENSEMBLE.CONFIGS", configs, *words])


def test_data_and_device_are_the_ensembles_and_the_rest_the_members(files):
    first, second = read_members(ensemble("TEST.ENSEMBLE.WEIGHTS", "[2,1.5]"))
    assert (first.name, first.weight, second.name, second.weight) == ("a.yml", 2, "b.yml", 1.5)
    assert (second.cfg.MODEL.WEIGHTS, second.cfg.OUTPUT_DIR, second.cfg.INPUT.SIZE_TEST) == ("b.pth", "logs/b", [96, 96])
    assert (second.cfg.MODEL.DEVICE, second.cfg.DATASETS.ROOT, second.cfg.DATASETS.TESTS) == ("cpu", "here", ("PatentTest",))
    assert [member.weight for member in read_members(ensemble())] == [1, 1]


def test_without_an_ensemble_the_only_member_is_the_configurations_own():
    cfg, descriptor = load_config(), load_config(overrides=["DESCRIPTOR.NAME", "hog"])
    assert read_members(cfg) == [Member("network", cfg, 1.0)]
    assert read_members(descriptor) == [Member("hog", descriptor, 1.0)]


def test_a_member_that_cannot_take_part_is_named(files):
    for settings, message in (
        (None, "TEST.ENSEMBLE.CONFIGS: there is no file c.yml"),
        ({"MODEL": {"WEIGHTS": "gone.pth"}}, "MODEL.WEIGHTS of c.yml names no file: 'gone.pth'"),
        ({}, "TEST.ENSEMBLE.CONFIGS: MODEL.WEIGHTS of c.yml names no file: ''"),
        ({"TEST": {"ENSEMBLE": {"CONFIGS": ["a.yml"]}}}, "c.yml is an ensemble itself"),
        ({"MODEL": {"WEIGHT": "a.pth"}}, "c.yml:2: MODEL.WEIGHT .*did you mean MODEL.WEIGHTS"),
    ):
        if settings is not None:
            write(files / "c.yml", settings)
        with pytest.raises(ConfigError, match=message):
            read_members(ensemble(configs="['a.yml','c.yml']"))


def test_an_ensemble_is_not_whitened_as_a_whole(files):
    with pytest.raises(ConfigError, match="TEST.WHITENING.ENABLED"):
        read_members(ensemble("TEST.WHITENING.ENABLED", "True"))

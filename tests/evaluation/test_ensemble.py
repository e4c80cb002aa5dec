"""Networks joined for a test: whose configuration counts, and cosines that are weighted means."""

import numpy as np
import pytest
import yaml

from fastpatent.config import load_config
from fastpatent.data.records import Splits
from fastpatent.errors import ConfigError
from fastpatent.evaluation.ensemble import Member, join_features, member_systems, read_members, with_ensemble


def cosines(rows):
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


@pytest.mark.parametrize("weights", [[1.0, 1.0], [3.0, 0.5], [2.0, 1.0, 5.0]])
def test_the_cosine_of_joined_rows_is_the_weighted_mean_of_cosines(weights):
    rng = np.random.default_rng(0)
    features = [(scale * rng.standard_normal((9, dim))).astype(np.float32) for dim, scale in zip((5, 8, 3), (1, 1000, 0.01))]
    features = features[: len(weights)]
    joined = join_features(features, weights)
    truth = sum(weight * cosines(rows) for weight, rows in zip(weights, features)) / sum(weights)
    assert joined.dtype == np.float32 and joined.shape == (9, sum(rows.shape[1] for rows in features))
    np.testing.assert_allclose(cosines(joined), truth, atol=1e-6)
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


def test_data_and_device_are_the_ensembles_and_all_else_the_members(files):
    first, second = read_members(ensemble("TEST.ENSEMBLE.WEIGHTS", "[2,1.5]"))
    assert (first.name, first.weight, second.name, second.weight) == ("a.yml", 2, "b.yml", 1.5)
    assert (second.cfg.MODEL.WEIGHTS, second.cfg.OUTPUT_DIR, second.cfg.INPUT.SIZE_TEST) == ("b.pth", "logs/b", [96, 96])
    assert (second.cfg.MODEL.DEVICE, second.cfg.DATASETS.ROOT, second.cfg.DATASETS.TESTS) == ("cpu", "here", ("PatentTest",))
    assert [member.weight for member in read_members(ensemble())] == [1, 1]


def test_without_an_ensemble_the_network_is_the_configurations_own():
    cfg = load_config()
    assert read_members(cfg) == [Member("network", cfg, 1.0)]


@pytest.mark.parametrize(
    "name, settings, said",
    [
        ("c.yml", None, "TEST.ENSEMBLE.CONFIGS: there is no file c.yml"),
        ("c.yml", {"MODEL": {"WEIGHTS": "gone.pth"}}, "MODEL.WEIGHTS of c.yml names no file: 'gone.pth'"),
        ("c.yml", {}, "TEST.ENSEMBLE.CONFIGS: MODEL.WEIGHTS of c.yml names no file: ''"),
        ("c.yml", {"TEST": {"ENSEMBLE": {"CONFIGS": ["a.yml"]}}}, "c.yml is an ensemble itself"),
        ("c.yml", {"MODEL": {"WEIGHT": "a.pth"}}, "c.yml:2: MODEL.WEIGHT .*did you mean MODEL.WEIGHTS"),
    ],
)
def test_a_member_that_cannot_take_part_is_named(files, name, settings, said):
    if settings is not None:
        write(files / name, settings)
    with pytest.raises(ConfigError, match=said):
        read_members(ensemble(configs=f"['a.yml','{name}']"))


def test_an_ensemble_is_not_whitened_as_a_whole(files):
    with pytest.raises(ConfigError, match="TEST.WHITENING.ENABLED"):
        read_members(ensemble("TEST.WHITENING.ENABLED", "True"))


def test_whitening_is_learned_once_and_its_result_is_what_is_joined(listed_folder):
    words = ["DATASETS.ROOT", str(listed_folder), "DATASETS.NAMES", "('Drawings',)", "TEST.WHITENING.DIM", "3"]
    plain, white = (load_config(overrides=[*words, "TEST.WHITENING.ENABLED", str(asked)]) for asked in (False, True))
    asked = []

    def extract(splits):
        asked.append(splits.name)
        rows = len(splits.query) + len(splits.gallery)
        return np.random.default_rng(len(splits.name)).standard_normal((rows, 6)).astype(np.float32)

    test_sets = [Splits(name, [], ["q"] * 2, ["g"] * 5) for name in ("one", "another")]
    members = [Member("first", plain, 1.0), Member("second", white, 3.0)]
    described = [member_systems(member, test_sets, extract) for member in members]
    assert asked == ["one", "another", "one", "Drawings-whitening", "another"]
    rows = with_ensemble(members, [of_member[1] for of_member in described])
    assert [name for name, _ in rows] == ["first", "second", "second + whitening", "ensemble of 2"]
    (_, first), _, (_, whitened), (_, joined) = rows
    assert whitened.shape == (7, 3)
    np.testing.assert_allclose(cosines(joined), (cosines(first) + 3 * cosines(whitened)) / 4, atol=1e-6)

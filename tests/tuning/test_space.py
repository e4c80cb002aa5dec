"""Spaces: what they allow, and what is wrong with them by file and line."""

import pytest

from fastpatent.config import get_cfg, load_config
from fastpatent.errors import ConfigError
from fastpatent.tuning.space import check_effects, read_space, value_of, with_values


class Suggested:
    """A trial that has these parameters, and checks what it is asked for."""

    def __init__(self, **params):
        self.params = {name.replace("__", "."): param for name, param in params.items()}

    def suggest_categorical(self, name, choices):
        assert self.params[name] in choices
        return self.params[name]

    def suggest_int(self, name, low, high, *, step=1, log=False):
        assert isinstance(self.params[name], int) and not (self.params[name] - low) % step
        return self.params[name]

    def suggest_float(self, name, low, high, *, step=None, log=False):
        assert low <= self.params[name] <= high
        return self.params[name]


def test_values_have_the_type_of_the_key(write_space):
    space = read_space(
        write_space("""\
SOLVER.BASE_LR: {low: 1e-4, high: 3e-3, log: true}
SOLVER.MAX_EPOCH: {low: 2, high: 8.0, step: 3}
MODEL.LOSSES.NAME: [[CrossEntropyLoss], [CrossEntropyLoss, CircleLoss]]
TEST.SCALES: [[1], [1, 0.5]]
""")
    )
    assert not space.only_ranks
    values = space.suggest(Suggested(
        SOLVER__BASE_LR=0.001, SOLVER__MAX_EPOCH=5, MODEL__LOSSES__NAME='["CrossEntropyLoss", "CircleLoss"]',
        TEST__SCALES="[1.0, 0.5]",
    ))  # fmt: skip
    assert values == {
        "SOLVER.BASE_LR": 0.001, "SOLVER.MAX_EPOCH": 5, "MODEL.LOSSES.NAME": ("CrossEntropyLoss", "CircleLoss"),
        "TEST.SCALES": [1.0, 0.5],
    }  # fmt: skip
    changed = with_values(get_cfg(), values)
    assert {key: value_of(changed, key) for key in values} == values and changed.TEST.FLIP == get_cfg().TEST.FLIP
    assert space.point_of(changed) == {
        "SOLVER.BASE_LR": 0.001, "SOLVER.MAX_EPOCH": 5, "MODEL.LOSSES.NAME": '["CrossEntropyLoss", "CircleLoss"]',
        "TEST.SCALES": "[1.0, 0.5]",
    }  # fmt: skip
    assert space.point_of(with_values(changed, {"SOLVER.MAX_EPOCH": 6})) is None


def test_a_grid_has_every_point_once(write_space):
    space = read_space(
        write_space("TEST.RERANK.LAMBDA: {low: 0.1, high: 0.7, step: 0.1}\nTEST.AQE.QE_K: {low: 2, high: 4}\n")
    )
    assert space.only_ranks
    points = {(space.values(point)["TEST.RERANK.LAMBDA"], space.values(point)["TEST.AQE.QE_K"]) for point in space.grid()}
    assert points == {(tenths / 10, k) for tenths in range(1, 8) for k in (2, 3, 4)}  # 0.3, not 0.30000000000000004
    for text, words in (
        ("SOLVER.BASE_LR: {low: 1e-4, high: 1e-3}", "space.yml: SOLVER.BASE_LR: a grid needs a list of values, or a step"),
        ("SOLVER.WARMUP_ITERS: {low: 0, high: 10000}", "space.yml: SOLVER.WARMUP_ITERS: has 10,001 values, more than the"),
        ("TEST.AQE.QE_K: {low: 1, high: 101}\nTEST.RERANK.K1: {low: 1, high: 100}", "space.yml: the grid has 10,100 points"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_space(write_space(text)).grid()


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("SOLVER.BASE_RL: [1]", "SOLVER.BASE_RL is no key; did you mean SOLVER.BASE_LR?"),
        ("SOLVER: {BASE_LR: [1]}", "SOLVER is no key"),
        ("OUTPUT_DIR: [a, b]", "OUTPUT_DIR cannot vary: each trial has its own"),
        ("KD.EMA.ENABLED: [true, false]", "KD.EMA.ENABLED cannot vary: it has no effect here"),
        ("SOLVER.BASE_LR: 3", "SOLVER.BASE_LR needs a list of values, [a, b, c], or {low: ..., high: ...}"),
        ("SOLVER.BASE_LR: []", "SOLVER.BASE_LR has an empty list"),
        ("SOLVER.BASE_LR: [1, x]", "SOLVER.BASE_LR expects a number, got the text 'x'"),
        ("SOLVER.BASE_LR: [1, -1]", "SOLVER.BASE_LR must be above 0, got -1.0"),
        ("SOLVER.BASE_LR: [1, 1.0]", "SOLVER.BASE_LR has 1 twice"),
        ("SOLVER.OPT: [Adam, Adma]", "SOLVER.OPT"),
        ("SOLVER.OPT: {low: 1, high: 2}", "SOLVER.OPT is no number; write a list of values"),
        ("SOLVER.NESTEROV: {low: 0, high: 1}", "SOLVER.NESTEROV is no number; write a list of values"),
        ("SOLVER.BASE_LR: {lo: 1, high: 2}", "SOLVER.BASE_LR has no lo; did you mean low?"),
        ("SOLVER.BASE_LR: {low: 1}", "SOLVER.BASE_LR needs low and high"),
        ("SOLVER.BASE_LR: {low: 2, high: 1}", "SOLVER.BASE_LR needs a low below high, got 2.0 and 1.0"),
        ("SOLVER.BASE_LR: {low: 1, high: .inf}", "SOLVER.BASE_LR needs a low below high, got 1.0 and inf"),
        ("SOLVER.BASE_LR: {low: .nan, high: 1}", "SOLVER.BASE_LR needs a low below high, got nan and 1.0"),
        (
            "SOLVER.WEIGHT_DECAY: {low: 0, high: 1, log: true}",
            "SOLVER.WEIGHT_DECAY with log needs a low above 0, and no step",
        ),
        ("SOLVER.BASE_LR: {low: 0.1, high: 1, log: maybe}", "SOLVER.BASE_LR expects True or False, got the text 'maybe'"),
        ("SOLVER.BASE_LR: {low: 0, high: 1}", "SOLVER.BASE_LR must be above 0, got 0.0"),
        ("SOLVER.BASE_LR: {low: 1, high: 2, step: 3}", "SOLVER.BASE_LR needs a step of 1e-06 to 1, got 3.0"),
        ("SOLVER.BASE_LR: {low: 1, high: 2, step: 1e-300}", "SOLVER.BASE_LR needs a step of 1e-06 to 1, got 1e-300"),
        (
            "SOLVER.BASE_LR: {low: 1, high: 2, step: 0.3}",
            "SOLVER.BASE_LR needs a high that is low and a number of steps, got 2.0",
        ),
        ("SOLVER.MAX_EPOCH: {low: 1.5, high: 2}", "SOLVER.MAX_EPOCH expects a whole number, got the number 1.5"),
    ],
)
def test_mistakes_are_named_by_file_and_line(line, complaint, write_space):
    with pytest.raises(ConfigError) as caught:
        read_space(write_space(f"TEST.METRIC: [cosine]\n{line}\nTEST.METRIC: [euclidean]\n"))
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"space.yml:2: {complaint}")
    assert second == "space.yml:3: TEST.METRIC is there twice, first on line 1"


def test_what_is_no_space_is_refused(write_space, tmp_path):
    for text, complaint in (
        ("", "space.yml: a space consists of lines KEY: "),
        ("[1, 2]", "space.yml: a space consists of lines KEY: "),
        ("a: [1", "space.yml:1: not valid YAML: "),
        ("a: &a [1]\nb: *a", "space.yml:2: not valid YAML: an alias"),
        ("SEED2: !!bool x", "space.yml:1: not valid YAML: "),
    ):
        with pytest.raises(ConfigError, match=f"^{complaint}"):
            read_space(write_space(text))
    with pytest.raises(ConfigError, match="^--space nowhere.yml: No such file"):
        read_space("nowhere.yml")
    (tmp_path / "large.yml").write_bytes(b"#" * 2**19)
    with pytest.raises(ConfigError, match="^--space large.yml: has more than"):
        read_space("large.yml")


def test_a_key_that_is_switched_off_everywhere_is_named(write_space):
    off = "TEST.METRIC: [euclidean]\nTEST.AQE.QE_K: {low: 1, high: 9}\n"
    with pytest.raises(ConfigError) as caught:
        check_effects(read_space(write_space(off)), get_cfg())
    assert str(caught.value) == "space.yml:2: TEST.AQE.QE_K has no effect: TEST.AQE.ENABLED is False"
    check_effects(read_space(write_space(off)), load_config(overrides=["TEST.AQE.ENABLED", "True"]))
    check_effects(read_space(write_space(off + "TEST.AQE.ENABLED: [false, true]")), get_cfg())


def test_the_spaces_that_come_with_the_package_fit_their_configurations():
    on = ["TEST.AQE.ENABLED", "True", "TEST.RERANK.ENABLED", "True"]
    for name, config, overrides in (("training", "sample/lite0_sample_96", []), ("ranking", "default", on)):
        space = read_space(f"sweeps/{name}")
        cfg = load_config(config, overrides)
        check_effects(space, cfg)
        assert space.only_ranks == (name == "ranking")
        assert space.point_of(cfg), "the configuration as it is is the first trial"

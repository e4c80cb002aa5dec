"""Inheritance between files, and the line each complaint names."""

from fastpatent.config import load_config


def test_chain_of_bases_later_file_wins(write):
    write("a.yml", "SOLVER: {BASE_LR: 0.1, GAMMA: 0.5, MAX_EPOCH: 3}")
    write("deep/b.yml", "_BASE_: ../a.yml\nSOLVER: {BASE_LR: 0.2, GAMMA: 0.6}")
    write("deep/er/c.yml", "SOLVER: {BASE_LR: 0.3}\n_BASE_: ../b.yml")
    solver = load_config("deep/er/c.yml").SOLVER
    assert (solver.BASE_LR, solver.GAMMA, solver.MAX_EPOCH) == (0.3, 0.6, 3)


def test_list_of_bases_later_one_wins(write):
    write("a.yml", "SEED: 1\nOUTPUT_DIR: a")
    write("b.yml", "SEED: 2")
    cfg = load_config(write("c.yml", "_BASE_: [a.yml, b.yml]"))
    assert (cfg.SEED, cfg.OUTPUT_DIR) == (2, "a")


def test_base_in_the_home_folder(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write("home/a.yml", "SEED: 7")
    assert load_config(write("b.yml", "_BASE_: ~/a.yml")).SEED == 7


def test_one_base_reached_twice_is_no_cycle(write):
    write("root.yml", "SEED: 1")
    write("a.yml", "_BASE_: root.yml")
    write("b.yml", "_BASE_: root.yml")
    assert load_config(write("c.yml", "_BASE_: [a.yml, b.yml]")).SEED == 1


def test_cycle_is_named(write, complaints):
    write("a.yml", "_BASE_: b.yml")
    write("b.yml", "SEED: 1\n_BASE_: sub/../a.yml")
    assert complaints("a.yml") == ["b.yml:2: _BASE_ leads back to its own file: a.yml -> b.yml -> a.yml"]


def test_missing_base_does_not_hide_the_rest(write, complaints):
    write("Base-SBS.yml", "SEED: 1")
    write("x/c.yml", "_BASE_: ../Base-SBS.yaml\nSEDE: 3\n")
    assert complaints("x/c.yml") == [
        "x/c.yml:1: _BASE_ names Base-SBS.yaml: no such file; did you mean Base-SBS.yml?",
        "x/c.yml:2: SEDE is no key; did you mean SEED?",
    ]


def test_missing_file(write, complaints):
    write("patent_256.yml", "SEED: 1")
    for name, sentence in (
        ("patent_255.yml", "patent_255.yml: no such file; did you mean patent_256.yml?"),
        ("nowhere/a.yml", "nowhere/a.yml: no such file; there is no folder nowhere"),
        (".", ".: Is a directory"),
    ):
        assert complaints(name) == [sentence]


def test_bad_yaml_names_its_line(write, complaints):
    for text, line, part in (
        ("SEED: 1\nMODEL:\n\tDEVICE: cpu\n", 3, "cannot start any token"),
        ("SEED: 1\nMODEL: [1, 2\nSOLVER: 3\n", 3, "expected ',' or ']'"),
        ("SEED: 1\n---\nSEED: 2\n", 2, "but found another document"),
        ("SEED: 1\nOUTPUT_DIR: !!python/name:os.system\n", 2, "could not determine a constructor"),
        ("SEED: 1\nOUTPUT_DIR: 2024-13-45\n", 2, "month must be in 1..12"),
        ("SEED: 1\nOUTPUT_DIR: a\x07\n", 2, "special characters are not allowed"),
        ("SEED: 1\nOUTPUT_DIR: *nowhere\n", 2, "undefined alias"),
    ):
        (complaint,) = complaints(write("a.yml", text))
        assert complaint.startswith(f"a.yml:{line}: not valid YAML: ") and part in complaint


def test_a_value_yaml_cannot_read_does_not_hide_the_rest(write, complaints):
    lines = complaints(write("a.yml", "OUTPUT_DIR: !!python/name:os.system\nSEDE: 1"))
    assert [line.split(": ")[0] for line in lines] == ["a.yml:1", "a.yml:2"]


def test_not_text(tmp_path, complaints):
    path = tmp_path / "a.yml"
    path.write_bytes(b"SEED: 1\nOUTPUT_DIR: \xff\n")
    assert complaints(path) == [f"{path}: not UTF-8 text (byte 20)"]


def test_shape_of_a_file(write, complaints):
    for text, expected in (
        ("- SEED", "a.yml:1: a configuration consists of KEY: VALUE lines, this does not"),
        (
            "SEED: 1\nSOLVER:\n  BASE_LR: 0.1\n  GAMMA: 0.1\n  BASE_LR: 0.2",
            "a.yml:5: SOLVER.BASE_LR is set twice in one section, first on line 3",
        ),
        (
            "MODEL: {DEVICE: cpu}\nSEED: 1\nMODEL: {WEIGHTS: x}",
            "a.yml:3: MODEL is set twice in one section, first on line 1",
        ),
        ("SEED: 1\nSOLVER: 3", "a.yml:2: SOLVER is a section, not a value; its keys are AMP, OPT,"),
        ("SOLVER:\n  BASE_LR: {A: 1}", "a.yml:2: SOLVER.BASE_LR expects a number, got a section {'A': 1}"),
        ("SOLVER:\n  _BASE_: b.yml", "a.yml:2: SOLVER._BASE_ is no key; _BASE_ belongs on the first level of the file"),
        (
            "TEST.AQE.ALPHA: 2.",
            "a.yml:1: TEST.AQE.ALPHA is no key; write its sections below each other: TEST: {AQE: {ALPHA: ...}}",
        ),
        ("_BASE_: 3", "a.yml:1: _BASE_ expects a file name, got 3"),
        ("? [SEED]\n: 1", "a.yml:1: a key that is a sequence is no key"),
        ("1: 1", "a.yml:1: 1 is no key"),
    ):
        (complaint,) = complaints(write("a.yml", text))
        assert complaint.startswith(expected), text


def test_nothing_set_is_the_defaults(write):
    for text in ("", "# nothing yet\n", "MODEL:\n", "MODEL:\n  HEADS:\n"):
        assert load_config(write("a.yml", text)) == load_config(), text


def test_an_alias_stands_for_a_short_value_only(write, complaints):
    losses = load_config(write("a.yml", "MODEL: {LOSSES: {CIRCLE: {MARGIN: &m 0.4}, COSFACE: {MARGIN: *m}}}")).MODEL.LOSSES
    assert losses.CIRCLE.MARGIN == losses.COSFACE.MARGIN == 0.4
    lines = complaints(write("b.yml", "MODEL:\n  LOSSES:\n    CIRCLE: &a {GAMMA: 64}\n    COSFACE: {<<: *a, GAMMA: 32}"))
    assert lines == ["b.yml:4: not valid YAML: an alias (*) of more than a short value"]

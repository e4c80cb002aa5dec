"""What a scheduler leaves in the environment is no launcher."""

import argparse

import pytest

from fastpatent.commands.launch import launch, local_rank
from fastpatent.distributed import LAUNCHED
from fastpatent.errors import ConfigError

ONE = argparse.Namespace(num_gpus=1, num_machines=1, machine_rank=0, dist_url="auto")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in (*LAUNCHED, "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("left", [["RANK"], ["WORLD_SIZE"], ["RANK", "WORLD_SIZE"]])
def test_variables_without_an_address_are_ignored_and_said(left, monkeypatch, caplog):
    for name in left:
        monkeypatch.setenv(name, "7")
    assert launch(lambda number: number + 1, ONE, 3) == 4
    assert f"{' and '.join(left)} of the environment ignored" in caplog.text


def test_a_variable_that_is_no_number_is_named(monkeypatch):
    for name in LAUNCHED:
        monkeypatch.setenv(name, "one")
    with pytest.raises(ConfigError, match="^RANK of the environment is 'one', not a whole number"):
        launch(lambda: None, ONE)
    monkeypatch.setenv("LOCAL_RANK", "")
    with pytest.raises(ConfigError, match="^LOCAL_RANK of the environment is ''"):
        local_rank()


def test_a_run_of_one_launched_process_joins(monkeypatch):
    for name, value in zip(LAUNCHED, ("0", "1", "127.0.0.1", "0")):
        monkeypatch.setenv(name, value)
    assert launch(lambda: "joined", ONE) == "joined"

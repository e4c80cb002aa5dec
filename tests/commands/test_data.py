"""`fastpatent data ACTION`: which actions there are."""

import pytest

from fastpatent.commands.data import ACTIONS, main


def test_actions(capsys):
    assert main([]) == 2 and main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("usage: fastpatent data ACTION") == 2
    for action in ACTIONS:
        assert f"\n  {action} " in printed
        with pytest.raises(SystemExit) as caught:
            main([action, "--help"])
        assert caught.value.code == 0 and f"usage: fastpatent data {action}" in capsys.readouterr().out

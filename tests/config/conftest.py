"""A way to write several small YAML files and to read back what the loader complains about."""

import textwrap

import pytest

from fastpatent.config import load_config
from fastpatent.errors import ConfigError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `text` to a file in an empty working directory; return its relative name."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    return write


@pytest.fixture
def complaints():
    """Load what must not load; return the lines of the error."""

    def complaints(config_file=None, overrides=()):
        with pytest.raises(ConfigError) as caught:
            load_config(config_file, overrides)
        return str(caught.value).splitlines()

    return complaints

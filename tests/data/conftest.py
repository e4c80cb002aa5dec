"""Small drawings and data sets on disk for the tests of this room."""

import pytest

from tests import small_sets


@pytest.fixture
def write_drawing():
    """Function (path, number, size) that writes the drawing of that number, folders included."""
    return small_sets.write_drawing


@pytest.fixture
def write_list():
    """Function (path, lines) that writes a list file, folders included."""
    return small_sets.write_list


@pytest.fixture
def patent_root(tmp_path):
    """A data set in the challenge's layout, see `small_sets.write_patent_set`."""
    return small_sets.write_patent_set(tmp_path)


@pytest.fixture
def cfg():
    """The defaults at a small size, with no worker processes and on the CPU."""
    return small_sets.small_config()


@pytest.fixture
def patent_cfg(cfg, patent_root):
    """`cfg` on `patent_root`."""
    cfg.DATASETS.ROOT = str(patent_root)
    return cfg

import pytest

from tests.polygons import write_designs


@pytest.fixture(scope="session")
def drawings_folder(tmp_path_factory):
    """Twelve identities of four small drawings each, as a `Drawings` data set."""
    root = tmp_path_factory.mktemp("drawings")
    write_designs(root, 12, size=48, seed=0)
    return root

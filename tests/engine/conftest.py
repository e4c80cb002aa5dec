import pytest

from tests.engine.runs import train
from tests.polygons import write_designs


@pytest.fixture(scope="session")
def drawings_folder(tmp_path_factory):
    """Twelve identities of four small drawings each, as a `Drawings` data set."""
    root = tmp_path_factory.mktemp("drawings")
    write_designs(root, 12, size=48, seed=0)
    return root


@pytest.fixture(scope="session")
def whole_run(drawings_folder, tmp_path_factory):
    """Function (*options) -> folder of an uninterrupted run with these options, trained once; tests only read it."""
    folders = {}

    def folder_of(*options):
        if options not in folders:
            folders[options] = folder = tmp_path_factory.mktemp("whole")
            assert train(drawings_folder, folder, *options) == 0
        return folders[options]

    return folder_of

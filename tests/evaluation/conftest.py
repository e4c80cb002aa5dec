import pytest

from tests.evaluation.plain_network import PlainRun, components


@pytest.fixture(scope="session")
def listed_folder(tmp_path_factory):
    """Twelve identities of four drawings each, as a `Drawings` data set whose drawings nobody opens: the files are empty."""
    root = tmp_path_factory.mktemp("listed")
    for identity in range(12):
        (root / f"design{identity:02d}").mkdir()
        for number in range(4):
            (root / f"design{identity:02d}" / f"{number}.png").touch()
    return root


@pytest.fixture
def register(monkeypatch):
    """A function (registry, name, component) that registers a component for the duration of the test."""

    def add(registry, name, component):
        registry.all()  # the package's own first
        monkeypatch.setitem(registry._components, name, component)

    return add


@pytest.fixture
def plain(register, tmp_path):
    """A PlainRun whose network is registered."""
    for component in components():
        register(*component)
    return PlainRun(tmp_path)

"""Registries: discovery of components, names that are not there, and components from outside the package."""

import sys

import pytest

import fastpatent
from fastpatent import registry
from fastpatent.config import load_config
from fastpatent.errors import ConfigError, nearest
from fastpatent.registry import BACKBONES, METRICS, REGISTRIES, Registry


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A registry of a package with two modules, neither of which is imported yet."""
    folder = tmp_path / "toy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from fastpatent.registry import Registry\nTOYS = Registry('toy', 'TOY.NAME', __name__)\n"
    )
    for name in ("kite", "lorry"):
        (folder / f"{name}.py").write_text(
            f"from toy_package import TOYS\n@TOYS.register\ndef {name}(): return '{name} made'\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    import toy_package

    yield toy_package.TOYS
    for name in [name for name in sys.modules if name.startswith("toy_package")]:
        del sys.modules[name]


def test_components_are_discovered_at_the_first_look_up(toys):
    assert "toy_package.kite" not in sys.modules
    assert toys.get("lorry")() == "lorry made"
    assert toys.names() == list(toys.all()) == ["kite", "lorry"]
    toys.all().clear()
    assert toys.names() == ["kite", "lorry"]


def test_an_unknown_name_is_reported_with_the_nearest_one_or_all(toys):
    with pytest.raises(ConfigError) as caught:
        toys.get("lory")
    assert str(caught.value) == "TOY.NAME: no toy is called 'lory'; did you mean lorry?"
    assert toys.complaint("x") == "no toy is called 'x'; choose from kite, lorry"
    for name in (None, 3, [], ["kite"]):
        assert toys.complaint(name).startswith(f"no toy is called {name!r};"), name
    assert toys.complaint("kite") == ""


def test_of_very_many_choices_a_message_lists_some():
    names = [f"{number:05}" for number in range(10_000)]
    assert nearest("kite", names) == f"; choose from {', '.join(names[:30])} and 9,970 more"
    assert len(nearest("a" * 10**5, ["b" * 10**6, "a" * 10**5])) < 1000


def test_a_component_of_any_kind_is_added_under_its_own_name_or_another(toys):
    @toys.register(name="red kite")
    def kite():
        return "another"

    assert toys.register(3, name="three") == 3
    assert toys.get("red kite") is kite and toys.get("three") == 3 and toys.get("kite") is not kite
    with pytest.raises(ValueError, match="two toys are called red kite"):
        toys.register(lambda: None, name="red kite")
    toys.register(kite, name="red kite")  # the same again, as where a module is imported twice


def test_every_kind_has_its_registry_and_components():
    assert set(REGISTRIES) == {
        "network", "tokenizer", "backbone", "head", "pooling", "classifier", "loss", "sampler", "dataset", "descriptor",
        "metric", "norm", "optimizer",
    }  # fmt: skip
    for kind, found in REGISTRIES.items():
        assert found.kind == kind and found.names(), kind
        assert all(found.get(name) is component for name, component in found.all().items()), kind


def test_a_component_from_outside_the_package(monkeypatch):
    monkeypatch.setattr(BACKBONES, "_components", BACKBONES.all())

    @fastpatent.register("backbone", name="mine")
    def build_mine(cfg):
        return None

    assert BACKBONES.get("mine") is build_mine
    assert load_config(overrides=["MODEL.BACKBONE.NAME", "mine"]).MODEL.BACKBONE.NAME == "mine"
    with pytest.raises(ConfigError, match="no backbone is called 'mime'; did you mean mine"):
        load_config(overrides=["MODEL.BACKBONE.NAME", "mime"])


def test_an_unknown_kind_is_reported_with_the_nearest():
    with pytest.raises(ConfigError, match="no kind of component is called 'backbon'; did you mean backbone?"):
        fastpatent.register("backbon")


def test_the_order_of_metrics_is_that_of_their_registration():
    assert list(METRICS.all())[:3] == ["mAP", "Acc@1", "Acc@5"] and isinstance(registry.METRICS, Registry)

"""Components by name: one decorated file adds a component, and no other file has to change."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from fastpatent.errors import ConfigError, nearest


class Registry:
    """Names to components of one kind.

    Args:
        kind: the word for messages ("backbone").
        key: the configuration key that chooses it ("MODEL.BACKBONE.NAME"), for messages.
        place: dotted name of a module, or of a package all of whose modules are imported at the first look-up, so that a new
            file there is found without being listed anywhere.
    """

    def __init__(self, kind: str, key: str, place: str) -> None:
        self.kind, self.key, self.place = kind, key, place
        self._components: dict[str, Any] = {}
        self._discovered = False

    def register(self, component: Any = None, *, name: str | None = None) -> Any:
        """Decorate a function or class, or add any object, under its own name unless `name` is given."""
        if component is None:
            return lambda found: self.register(found, name=name)
        name = str(name or component.__name__)
        if name in self._components and self._components[name] is not component:
            raise ValueError(f"two {self.kind}s are called {name}")
        self._components[name] = component
        return component

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        return sorted(self.all())

    def all(self) -> dict[str, Any]:
        """Return {name: component} in the order of registration."""
        self._discover()
        return dict(self._components)

    def get(self, name: str) -> Any:
        """Return the component called `name`; ConfigError with the nearest name where there is none."""
        if complaint := self.complaint(name):
            raise ConfigError(f"{self.key}: {complaint}")
        return self._components[name]

    def complaint(self, name: Any) -> str:
        """Return what is wrong with `name`, a sentence with the nearest valid one; empty where it is registered."""
        self._discover()
        known = isinstance(name, str) and name in self._components
        return "" if known else f"no {self.kind} is called {name!r}{nearest(name, self._components)}"

    def _discover(self) -> None:
        if not self._discovered:
            place = importlib.import_module(self.place)
            for module in pkgutil.iter_modules(getattr(place, "__path__", ())):
                importlib.import_module(f"{self.place}.{module.name}")
            self._discovered = True


# What a component of each kind must do is written in the module or package that is named last.
META_ARCHITECTURES = Registry("network", "MODEL.META_ARCHITECTURE", "fastpatent.models")
TOKENIZERS = Registry("tokenizer", "MODEL.META_ARCHITECTURE", "fastpatent.models")
BACKBONES = Registry("backbone", "MODEL.BACKBONE.NAME", "fastpatent.backbones")
# By the name of the backbone; not in REGISTRIES, as nobody chooses one.
NORMALISATIONS = Registry("normalisation", "MODEL.BACKBONE.NAME", "fastpatent.models.pretrained")
HEADS = Registry("head", "MODEL.HEADS.NAME", "fastpatent.heads")
POOLING = Registry("pooling", "MODEL.HEADS.POOL_LAYER", "fastpatent.layers")
CLASSIFIERS = Registry("classifier", "MODEL.HEADS.CLS_LAYER", "fastpatent.layers")
NORMS = Registry("norm", "MODEL.BACKBONE.NORM", "fastpatent.layers")
LOSSES = Registry("loss", "MODEL.LOSSES.NAME", "fastpatent.losses")
SAMPLERS = Registry("sampler", "DATALOADER.SAMPLER_TRAIN", "fastpatent.data.samplers")
OPTIMIZERS = Registry("optimizer", "SOLVER.OPT", "fastpatent.engine.optimizer")
DATASETS = Registry("dataset", "DATASETS.NAMES", "fastpatent.data.datasets")
DESCRIPTORS = Registry("descriptor", "DESCRIPTOR.NAME", "fastpatent.descriptors")
METRICS = Registry("metric", "TEST.BEST_METRIC", "fastpatent.retrieval.metrics")

REGISTRIES: dict[str, Registry] = {
    registry.kind: registry
    for registry in (
        META_ARCHITECTURES, TOKENIZERS, BACKBONES, HEADS, POOLING, CLASSIFIERS, NORMS, LOSSES, SAMPLERS,
        OPTIMIZERS, DATASETS, DESCRIPTORS, METRICS,
    )
}  # fmt: skip


def register(kind: str, *, name: str | None = None) -> Callable[[Any], Any]:
    """Return the decorator that adds a component from outside the package.

    Args:
        kind: network, tokenizer, backbone, head, pooling, classifier, norm, loss, sampler, optimizer, dataset, descriptor or
            metric.
        name: by which the configuration chooses it; the component's own name where not given.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in REGISTRIES:
        raise ConfigError(f"no kind of component is called {kind!r}{nearest(kind, REGISTRIES)}")
    return lambda component: REGISTRIES[kind].register(component, name=name)

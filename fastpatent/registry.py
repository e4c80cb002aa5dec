"""Components by name: one decorated file adds a component, and nothing else has to know of it."""

import importlib
import pkgutil

from fastpatent.errors import ConfigError, nearest


class Registry:
    """Names to builders of one kind of component.

    Args:
        kind: what a person calls it, for messages ("backbone").
        key: the configuration key that chooses it ("MODEL.BACKBONE.NAME"), for messages.
        package: dotted name of the folder whose modules are imported at the first look-up, so that a new file there is
            found without being listed anywhere.
    """

    def __init__(self, kind, key, package):
        self.kind, self.key, self.package = kind, key, package
        self._builders = {}
        self._discovered = False

    def register(self, builder=None, *, name=None):
        """Decorate a function or class, under its own name unless `name` is given."""
        if builder is None:
            return lambda found: self.register(found, name=name)
        name = name or builder.__name__
        if name in self._builders and self._builders[name] is not builder:
            raise ValueError(f"two {self.kind}s are called {name}")
        self._builders[name] = builder
        return builder

    def names(self):
        """Return every registered name, sorted."""
        self._discover()
        return sorted(self._builders)

    def get(self, name):
        """Return the builder called `name`; ConfigError with the nearest name where there is none."""
        self._discover()
        if name not in self._builders:
            raise ConfigError(f"{self.key}: no {self.kind} is called {name!r}{nearest(name, self._builders)}")
        return self._builders[name]

    def _discover(self):
        if not self._discovered:
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            self._discovered = True

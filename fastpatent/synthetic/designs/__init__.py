"""Families of objects: each is a function of a numpy Generator that returns the solids of a random design."""

from collections.abc import Callable

from numpy.random import Generator

from fastpatent.synthetic.designs import devices, furniture, hardware, lights, tools, toys, vessels
from fastpatent.synthetic.solids import Solid

FAMILIES: tuple[Callable[[Generator], list[Solid]], ...] = tuple(
    family for module in (vessels, lights, furniture, hardware, tools, devices, toys) for family in module.FAMILIES
)

"""Families of objects: each a function of a numpy Generator that returns a design's list of solids."""

from . import devices, furniture, hardware, lights, tools, toys, vessels

FAMILIES = tuple(family for room in (vessels, lights, furniture, hardware, tools, devices, toys) for family in room.FAMILIES)

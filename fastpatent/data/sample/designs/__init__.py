"""Families of objects: each a function of a numpy Generator that returns a design's list of solids."""

from . import devices, furniture, hardware, toys, vessels

FAMILIES = (*vessels.FAMILIES, *furniture.FAMILIES, *hardware.FAMILIES, *devices.FAMILIES, *toys.FAMILIES)

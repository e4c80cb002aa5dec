"""fastpatent: networks that find the drawings of the same design."""

__version__ = "0.1.0"

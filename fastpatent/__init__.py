"""fastpatent: image retrieval for the drawings of design patents."""

from fastpatent.registry import register

__all__ = ["register"]
__version__ = "0.1.0"

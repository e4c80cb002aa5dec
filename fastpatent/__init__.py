"""fastpatent: image retrieval for the drawings of design patents."""

from typing import TYPE_CHECKING, Any

from fastpatent import errors
from fastpatent.registry import register

if TYPE_CHECKING:
    from fastpatent.api import Embedder, evaluate, load, rank

__all__ = ["Embedder", "errors", "evaluate", "load", "rank", "register"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used: that takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastpatent import api

    return getattr(api, name)

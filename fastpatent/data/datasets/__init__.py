"""Data sets by name. A builder `(cfg, parts=None, verify=True) -> Splits` is added by one decorated file in this folder.

`parts` are those of train, query and gallery that the caller needs: they must be there, and nothing else need be read. None
takes whatever is found. `verify` False returns drawings that are listed but missing, for a check that collects them.
"""

from fastpatent.registry import DATASETS

__all__ = ["DATASETS"]

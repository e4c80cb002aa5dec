"""Data sets by name. A builder `(cfg, parts=None, verify=True) -> Splits` is added by one decorated file in this folder.

`parts` are those of train, query and gallery that the caller needs: they must exist, and nothing else need be read. None
takes all that are found. With `verify` False, samples whose files are missing are returned too, for a check that collects
them.
"""

from fastpatent.registry import DATASETS

__all__ = ["DATASETS"]

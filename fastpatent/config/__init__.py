"""The YAML dialect: defaults, inheritance, strict loading."""
from fastpatent.config.defaults import get_cfg

__all__ = ["get_cfg"]

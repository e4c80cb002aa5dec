"""The YAML dialect: defaults, inheritance, strict loading."""

from fastpatent.config.defaults import get_cfg
from fastpatent.config.loader import load_config
from fastpatent.config.report import describe

__all__ = ["describe", "get_cfg", "load_config"]

"""The YAML dialect: one table of keys, inheritance, strict loading."""

from fastpatent.config.defaults import get_cfg
from fastpatent.config.in_use import load_config_in_use, load_config_on
from fastpatent.config.key import Key
from fastpatent.config.keys import add_key
from fastpatent.config.loader import load_config
from fastpatent.config.report import describe

__all__ = ["Key", "add_key", "describe", "get_cfg", "load_config", "load_config_in_use", "load_config_on"]

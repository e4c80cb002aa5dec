"""The configurations that come with fastpatent, found by name from any working directory."""

import os
from difflib import get_close_matches
from pathlib import Path

from fastpatent.config import default_network
from fastpatent.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
# A wheel has the files of configs/ inside the package, see setup.py; a checkout has them beside it.
FOLDER = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"
SUFFIX = ".yml"
SPACES = "sweeps"  # the folder of files that are no configurations but spaces of `fastpatent sweep`


def names() -> list[str]:
    """Return the names of all configurations, sorted: their paths below configs/ without .yml."""
    files = (path for path in FOLDER.rglob(f"*{SUFFIX}") if path.parent.name != SPACES)
    return sorted(path.relative_to(FOLDER).as_posix().removesuffix(SUFFIX) for path in files)


def by_end() -> dict[str, str]:
    """Return {name as it may be given: name}: every name, and what follows its last slash."""
    return {name.rpartition("/")[2]: name for name in names()} | {name: name for name in names()}


def find_file(given: str | os.PathLike[str]) -> str:
    """Return the path of a configuration that is given by its path or by name.

    Args:
        given: a path, which wins wherever there is such a file; "default", the network in the box; or the end of the path
            of a file of configs/, of which .yml may be missing: `own_drawings`, `sample/own_drawings.yml`,
            `configs/impact/small_pair.json`.

    Returns:
        the path; as given where there is no such configuration.

    Raises:
        ConfigError: several files of configs/ have this name.
    """
    given = os.fspath(given)
    if os.path.lexists(given) and not os.path.isdir(given):
        return given
    if given == default_network.NAME:
        return default_network.CONFIG
    wanted = given if Path(given).suffix in (SUFFIX, ".json") else f"{given}{SUFFIX}"
    files = {path.relative_to(FOLDER).as_posix(): str(path) for path in sorted(FOLDER.rglob(f"*{Path(wanted).suffix}"))}
    if wanted in files:
        return files[wanted]
    found = [name for name in files if f"/{FOLDER.name}/{name}".endswith(f"/{wanted}")]
    if len(found) > 1:
        raise ConfigError(f"{given}: several configurations have this name; write {' or '.join(found)}")
    return files[found[0]] if found else given


def nearest_names(given: str) -> list[str]:
    """Return the names of at most three configurations that a misspelt one may stand for."""
    wanted = given.removesuffix(SUFFIX)
    known = by_end()
    return list(dict.fromkeys(known[close] for close in get_close_matches(wanted, known, cutoff=0.7)))


def first_comment(name: str) -> str:
    """Return the first line of the configuration of a name, a comment that says what it is for."""
    with open(FOLDER / f"{name}{SUFFIX}", encoding="utf-8") as file:
        return file.readline().strip("# \n")

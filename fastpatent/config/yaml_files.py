"""YAML files with inheritance, read as a list of settings that remember the line they come from."""

import errno
import os
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yacs.config import CfgNode

from fastpatent.config.bounded_yaml import BoundedLoader
from fastpatent.config.by_name import nearest_names
from fastpatent.config.names import leaves, nearest_key
from fastpatent.config.values import expand_paths
from fastpatent.errors import shown
from fastpatent.files import read_regular

BASE_KEY = "_BASE_"
COMMAND_LINE = "command line"
YAML_BYTES = 2**18  # of all files of a configuration; one of all keys has 6,000
FILES = 50  # that a configuration may be read from; those here are read from 3 at most
PROBLEMS = 50  # listed in one message
SEARCHED = 500  # files of a folder for the name nearest to one that is missing; a comparison takes up to 0.1 ms
INVALID = object()


class Setting(NamedTuple):
    """One key and the value given to it at one place (`file:line` or the command line)."""

    key: str
    value: Any
    place: str


def read_settings(
    path: str | os.PathLike[str],
    tree: CfgNode,
    problems: list[str],
    chain: tuple[str, ...] = (),
    named_at: str | None = None,
    read: list[int] | None = None,
) -> list[Setting]:
    """Read a YAML file and, before it, the files its `_BASE_` names.

    Args:
        path: the file, shown in messages as given.
        tree: yacs node of all keys; tells sections from values.
        problems: list to which one sentence is added for everything wrong.
        chain: files that led here, to notice one that leads back to itself.
        named_at: `file:line` of the `_BASE_` that names this file.
        read: bytes of the files before it, 0 of those that could not be read; those of this one are added.

    Returns:
        list of Setting, a base's before those of the file that inherits from it; a later one overrides an earlier one.
    """
    path, read = os.path.normpath(path), [] if read is None else read
    if os.path.realpath(path) in map(os.path.realpath, chain):
        problems.append(f"{named_at}: {BASE_KEY} leads back to its own file: {' -> '.join([*chain, path])}")
        return []
    if len(read) >= FILES:
        problems.append(f"{chain[0]}: {BASE_KEY} leads to more than {FILES} files")
        return []
    place = f"{named_at}: {BASE_KEY} names {path}" if named_at else path
    read.append(0)  # before it is opened: a folder is searched for the name nearest to one that is missing
    try:
        data = read_regular(path, YAML_BYTES - sum(read))
        read[-1] = len(data)
    except FileNotFoundError:
        problems.append(f"{place}: no such file{_nearest(path, by_name=named_at is None)}")
        return []
    except OSError as error:
        left = f", which the files before it leave of {YAML_BYTES:,}" if error.errno == errno.EFBIG and any(read) else ""
        problems.append(f"{place}: {error.strerror}{left}")
        return []
    parsed = parse(path, data, problems)
    return _File(path, parsed[0], tree, problems, chain, read).settings(parsed[1]) if parsed else []


def parse(path: str, data: bytes, problems: list[str]) -> tuple[BoundedLoader, yaml.Node | None] | None:
    """Return the loader and the root of a file's YAML; None, and one more problem, where its bytes are no YAML."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 text (byte {error.start})")
        return None
    try:
        loader = BoundedLoader(text)
        return loader, loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(path, error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(f"{path}:{line}: not valid YAML: {error.reason} (character #x{error.character:04x})")
    return None


def construct(path: str, loader: BoundedLoader, node: yaml.Node, problems: list[str]) -> Any:
    """Return a node's value; INVALID, and one more problem, where YAML has none (an unknown tag, the 31st of June)."""
    try:
        return loader.construct_object(node, deep=True)
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(path, error))
    except Exception as error:  # constructors of YAML raise anything, as of !!bool x
        problems.append(f"{place_of(path, node)}: not valid YAML: {error}")
    return INVALID


def place_of(path: str, node: yaml.Node) -> str:
    """Return `file:line` of a node."""
    return f"{path}:{node.start_mark.line + 1}"


class _File:
    """The settings of one parsed file."""

    def __init__(
        self,
        path: str,
        loader: BoundedLoader,
        tree: CfgNode,
        problems: list[str],
        chain: tuple[str, ...],
        read: list[int],
    ) -> None:
        self.path, self.loader, self.tree, self.problems = path, loader, tree, problems
        self.chain, self.read = chain, read

    def settings(self, root: yaml.Node | None) -> list[Setting]:
        if root is None:
            return []
        if not isinstance(root, yaml.MappingNode):
            self._problem(root, "a configuration consists of KEY: VALUE lines, this does not")
            return []
        inherited = [setting for base in self._bases(root) for setting in base]
        return inherited + list(self._section(root, self.tree, ""))

    def _bases(self, root: yaml.MappingNode) -> Iterator[list[Setting]]:
        for key, value in root.value:
            if key.value == BASE_KEY:
                names = self._value(value)
                if names is INVALID:
                    continue
                names = names if isinstance(names, list) else [names]
                for name in names:
                    if len(self.problems) > PROBLEMS:
                        return
                    if not isinstance(name, str) or not name:
                        self._problem(key, f"{BASE_KEY} expects a file name, got {shown(name)}")
                        continue
                    try:
                        path = os.path.join(os.path.dirname(self.path), expand_paths(name))
                    except ValueError as error:
                        self._problem(key, f"{BASE_KEY} {error}")
                        continue
                    chain = (*self.chain, self.path)
                    yield read_settings(path, self.tree, self.problems, chain, self._place(key), self.read)

    def _section(self, mapping: yaml.MappingNode, tree: CfgNode, prefix: str) -> Iterator[Setting]:
        self._report_repeated(mapping, prefix)
        for key, value in mapping.value:
            if len(self.problems) > PROBLEMS:  # a hint for each takes a millisecond
                return
            name = prefix + written(key)
            default = tree.get(written(key))
            if name == BASE_KEY:
                continue
            if default is None:
                self._problem(key, f"{name} is no key{self._hint(name, written(key))}")
            elif not isinstance(default, CfgNode):
                found = self._value(value)
                if found is not INVALID:
                    yield Setting(name, found, self._place(key))
            elif isinstance(value, yaml.MappingNode):
                yield from self._section(value, default, f"{name}.")
            elif self._value(value) not in (None, INVALID):  # a section without keys sets nothing
                self._problem(key, f"{name} is a section, not a value; its keys are {', '.join(default)}")

    def _value(self, node: yaml.Node) -> Any:
        return construct(self.path, self.loader, node, self.problems)

    def _hint(self, name: str, written: str) -> str:
        if written == BASE_KEY:
            return f"; {BASE_KEY} belongs on the first level of the file"
        if written in dict(leaves(self.tree)):
            return f"; write its sections below each other: {written.replace('.', ': {')}: ...{'}' * written.count('.')}"
        return nearest_key(name, self.tree)

    def _report_repeated(self, mapping: yaml.MappingNode, prefix: str) -> None:
        seen = {}
        for key, _ in mapping.value:
            name = written(key)
            if name in seen:
                self._problem(key, f"{prefix}{name} is set twice in one section, first on line {seen[name]}")
            seen.setdefault(name, key.start_mark.line + 1)

    def _place(self, node: yaml.Node) -> str:
        return place_of(self.path, node)

    def _problem(self, node: yaml.Node, sentence: str) -> None:
        self.problems.append(f"{self._place(node)}: {sentence}")


def written(key: yaml.Node) -> str:
    """Return a mapping's key as text; YAML would also take lists and mappings for keys."""
    if isinstance(key, yaml.ScalarNode):
        return key.value
    return f"a key that is a {'mapping' if isinstance(key, yaml.MappingNode) else 'sequence'}"


def _syntax_problem(path: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    return f"{path}{line}: not valid YAML: {error.problem}"


def _nearest(path: str, by_name: bool) -> str:
    """Return what a missing file may be called, in its folder or, `by_name`, among the configurations of fastpatent."""
    folder = Path(path).parent
    entries = islice(folder.iterdir(), SEARCHED) if folder.is_dir() else ()
    files = [entry.name for entry in entries if entry.suffix in (".yml", ".yaml")]
    close = [str(folder / name) for name in get_close_matches(Path(path).name, sorted(files), n=1, cutoff=0.6)]
    if close := close or (nearest_names(path) if by_name else []):
        return f"; did you mean {' or '.join(close)}?"
    return "" if folder.is_dir() else f"; there is no folder {folder}"

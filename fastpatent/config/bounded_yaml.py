"""YAML read as untrusted input: bounded nesting, number of values and length, and nothing that repeats a part of it."""

from typing import Any

import yaml
from yaml.composer import ComposerError

DEPTH = 30  # of lists and sections inside each other; the keys of a configuration have 4 levels
NODES = 10_000  # keys and values; a configuration of all keys has 600
TEXT = 10_000  # characters of a text, such as a list written as Python does
NUMBER = 100  # characters of a tag, of a value that is no text, and of a text that an alias repeats


class BoundedLoader(yaml.SafeLoader):
    """A loader that raises MarkedYAMLError for whatever is wrong with a text; an alias stands for a short value only."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def get_single_node(self) -> yaml.Node | None:
        try:
            return super().get_single_node()
        except (ValueError, OverflowError) as error:  # of the characters "\UFFFFFFFF", of a version of 5,000 digits
            raise ComposerError(None, None, str(error), self.get_mark()) from error

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        self._depth += 1
        self._nodes += 1
        self._refuse(self._depth > DEPTH, f"nested more than {DEPTH} deep", event)
        self._refuse(self._nodes > NODES, f"more than {NODES:,} keys and values", event)
        self._refuse(len(getattr(event, "tag", "") or "") > NUMBER, f"a tag of more than {NUMBER} characters", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        scalar, length = isinstance(node, yaml.ScalarNode), len(node.value) if node else 0
        repeated = isinstance(event, yaml.AliasEvent)
        self._refuse(repeated and not (scalar and length <= NUMBER), "an alias (*) of more than a short value", event)
        most = TEXT if node and node.tag == self.DEFAULT_SCALAR_TAG else NUMBER
        self._refuse(scalar and length > most, f"a value of {length:,} characters, more than {most:,}", event)
        return node

    def _refuse(self, wrong: bool, problem: str, event: yaml.Event) -> None:
        if wrong:
            raise ComposerError(None, None, problem, event.start_mark)

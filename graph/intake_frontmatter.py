"""YAML front matter: the few keys that say what Markdown has no place for.

Only YAML's syntax is used. Its values are taken as the text that stands there and read by the rules of each key, so
nothing is constructed from the document; aliases, tags and repeated keys are refused.
"""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import NamedTuple, TypeVar

import yaml

from delegation import InputError, Priority
from graph.intake_text import ascii_safe, shown

__all__ = ["FrontMatter", "split_front_matter"]

MAX_FRONT_MATTER = 20_000
"""Characters: more is no front matter, and YAML is slow."""

_KEYS = ("title", "priority", "labels", "deadline")
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{one}"
    for one in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge", "value")
)


T = TypeVar("T")


class FrontMatter(NamedTuple):
    """What the front matter said; None and [] where it said nothing."""

    title: str | None = None
    priority: Priority | None = None
    labels: list[str] = []
    deadline: datetime | None = None


class _Problem(Exception):
    """Something wrong at a line of the YAML text, counted from 0."""

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line, self.message, self.hint = line, message, hint


class _Loader(yaml.SafeLoader):
    """Composes nodes without aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise _Problem(line, "aliases are not read", "write the value out")
        node: yaml.Node | None = super().compose_node(parent, index)
        if node is not None and node.tag not in _PLAIN_TAGS:
            raise _Problem(node.start_mark.line, f"the tag {shown(node.tag)} is not read", "write the plain value")
        return node


def split_front_matter(text: str, source: str) -> tuple[FrontMatter, str, int]:
    """Return the front matter, the text after it, and the number of the line at which that text begins.

    It begins with ``---`` on the very first line and ends with ``---`` or ``...``. A text that begins with ``---`` and
    has no second one begins with a rule, unless a key follows.

    Raises:
        InputError: It is not closed, is no YAML, or holds a key or value that is not known.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return FrontMatter(), text, 1
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() in {"---", "..."}), None)
    if end is None:
        if len(lines) > 1 and lines[1].partition(":")[0].strip().lower() in _KEYS:
            raise InputError(f"{source}, line 1: the front matter is not closed", hint="end it with a line of ---")
        return FrontMatter(), text, 1
    try:
        front = _parse("\n".join(lines[1:end]))
    except _Problem as problem:
        raise InputError(
            f"{source}, line {problem.line + 2}: front matter: {problem.message}", hint=problem.hint
        ) from None
    return front, "\n".join(lines[end + 1 :]), end + 2


def _parse(text: str) -> FrontMatter:
    if len(text) > MAX_FRONT_MATTER:
        raise _Problem(0, f"it has more than {MAX_FRONT_MATTER:,} characters", "put the text below the second ---")
    node = _compose(text)
    if node is None or (isinstance(node, yaml.ScalarNode) and _is_null(node)):
        return FrontMatter()
    if not isinstance(node, yaml.MappingNode):
        raise _Problem(node.start_mark.line, "it is no list of 'key: value' lines", f"known keys: {', '.join(_KEYS)}")
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _scalar(key, "a key").strip().lower()
        if name not in _KEYS:
            raise _Problem(key.start_mark.line, f"unknown key {shown(name)}", f"known keys: {', '.join(_KEYS)}")
        if name in found:
            raise _Problem(key.start_mark.line, f"{shown(name)} is given twice", "keep one of them")
        found[name] = value
    given = {
        name: value for name, value in found.items() if not (isinstance(value, yaml.ScalarNode) and _is_null(value))
    }
    return FrontMatter(
        title=_read(given, "title", _scalar_of("the title")),
        priority=_read(given, "priority", _priority),
        labels=_read(given, "labels", _labels) or [],
        deadline=_read(given, "deadline", _deadline),
    )


def _compose(text: str) -> yaml.Node | None:
    loader = None
    try:
        loader = _Loader(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ascii_safe(error.problem or "not YAML")
        raise _Problem(mark.line if mark else 0, problem, "quote values that hold ':' or begin with a sign") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        raise _Problem(line, "a character that YAML does not take", "remove it or write it below the ---") from None
    except RecursionError:
        raise _Problem(0, "it nests too deeply", "a value is a text, labels a list of texts") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise _Problem(0, "not YAML", "write 'key: value' lines") from None
    finally:
        if loader is not None:
            loader.dispose()
    return node


def _read(nodes: dict[str, yaml.Node], key: str, reader: Callable[[yaml.Node], T]) -> T | None:
    return reader(nodes[key]) if key in nodes else None


def _is_null(node: yaml.ScalarNode) -> bool:
    return node.tag == "tag:yaml.org,2002:null" or not node.value.strip()


def _scalar(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _Problem(
            node.start_mark.line, f"{what} is not a text", f"{what} is one text, quoted where it holds signs"
        )
    return str(node.value)


def _scalar_of(what: str) -> Callable[[yaml.Node], str]:
    return lambda node: _scalar(node, what)


def _priority(node: yaml.Node) -> Priority:
    value = _scalar(node, "the priority").strip()
    try:
        return Priority(value.lower())
    except ValueError:
        known = ", ".join(one.value for one in Priority)
        raise _Problem(node.start_mark.line, f"{shown(value)} is no priority", f"one of: {known}") from None


def _labels(node: yaml.Node) -> list[str]:
    if isinstance(node, yaml.SequenceNode):
        return [_scalar(one, "a label") for one in node.value]
    return _scalar(node, "labels").split(",")


def _deadline(node: yaml.Node) -> datetime:
    """Read a date, which ends with its day, or a date and time; without a time zone, UTC."""
    value = _scalar(node, "the deadline").strip()
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if len(value) <= len("2026-12-31") and moment.time() == time():
            moment = moment.replace(hour=23, minute=59, second=59)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Problem(
            node.start_mark.line,
            f"{shown(value)} is no deadline",
            "a day such as 2026-12-31 or a time such as 2026-12-31T17:00+01:00",
        ) from None

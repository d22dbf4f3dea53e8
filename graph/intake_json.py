"""The JSON of ``gh issue view --json number,title,body,labels``, made into a ``Task``."""

import json
import re
from collections.abc import Sequence
from typing import Any

from delegation import InputError, Priority, Task
from graph.intake_markdown import parse_markdown
from graph.intake_text import assemble, clean, shown

__all__ = ["looks_like_json", "parse_issue", "priority_of"]

_COMMAND = "gh issue view NUMBER --json number,title,body,labels | squad run -"
_WORDS = {
    "low": Priority.LOW,
    "normal": Priority.NORMAL,
    "medium": Priority.NORMAL,
    "high": Priority.HIGH,
    "urgent": Priority.URGENT,
    "critical": Priority.URGENT,
    "p0": Priority.URGENT,
    "p1": Priority.HIGH,
    "p2": Priority.NORMAL,
    "p3": Priority.LOW,
}
_WORD = "|".join(_WORDS)
_PRIORITY = re.compile(
    rf"priority\W*({_WORD})|({_WORD})\W*priority|(p[0-3])",
    re.IGNORECASE,
)


def looks_like_json(text: str) -> bool:
    """Tell whether text of unknown form is meant as JSON: it parses, or it begins as an object with a key."""
    start = text.lstrip()[:1]
    if not start or start not in "{[":
        return False
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return re.match(r"\s*\{\s*\"[A-Za-z_]+\"\s*:", text) is not None
    return True


def parse_issue(text: str, source: str) -> Task:
    """Read the issue; its body is Markdown and goes through the same parser as a file.

    Raises:
        InputError: It is no JSON, or JSON of another shape.
    """
    issue = _load(text, source)
    title, body = _field(issue, "title", source), _field(issue, "body", source)
    if not title.strip():
        raise InputError(f'{source} has an empty "title"', hint="give the issue a title")
    labels = _labels(issue.get("labels"), source)
    parts = parse_markdown(clean(body), f'{source}, "body"', title=clean(title))
    return assemble(
        source,
        title=title,
        description=parts.description,
        criteria=parts.criteria,
        labels=labels,
        priority=priority_of(labels),
    )


def priority_of(labels: Sequence[str]) -> Priority | None:
    """Return the priority that the labels name ("priority: high", "P1"); None where they name none or several."""
    named = set()
    for label in labels:
        if match := _PRIORITY.fullmatch(label.strip()):
            named.add(_WORDS[next(filter(None, match.groups())).lower()])
    return named.pop() if len(named) == 1 else None


def _load(text: str, source: str) -> dict[str, Any]:
    """Read the object; control characters within its texts are let pass here and cleaned away later."""
    try:
        issue = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            hint=f"write it by: {_COMMAND}",
        ) from None
    except (ValueError, RecursionError):
        raise InputError(
            f"{source} is JSON that nests too deeply or holds too long a number", hint=f"write it by: {_COMMAND}"
        ) from None
    if isinstance(issue, list):
        raise InputError(
            f"{source} holds a list of {len(issue)}, and a task is one issue", hint="pick one of them: jq '.[0]'"
        )
    if not isinstance(issue, dict):
        raise InputError(f"{source} is JSON, but not an issue's object", hint=f"write it by: {_COMMAND}")
    return issue


def _field(issue: dict[str, Any], key: str, source: str) -> str:
    if key not in issue:
        raise InputError(f'{source} is JSON without "{key}", so not an issue', hint=f"write it by: {_COMMAND}")
    value = issue[key]
    if value is None and key == "body":
        return ""
    if not isinstance(value, str):
        raise InputError(f'{source}: "{key}" is not text but {_kind(value)}', hint=f"write it by: {_COMMAND}")
    return value


def _labels(value: object, source: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(
            f'{source}: "labels" is not a list but {_kind(value)}', hint='as in "labels": [{"name": "bug"}]'
        )
    names = [one.get("name") if isinstance(one, dict) else one for one in value]
    for number, name in enumerate(names, 1):
        if not isinstance(name, str):
            raise InputError(
                f"{source}: label {number} has no name: {shown(value[number - 1])}", hint='as in {"name": "bug"}'
            )
    return [str(name) for name in names]


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")

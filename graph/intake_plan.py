"""A plan from a file: what an answer of the decision edit brings, as JSON."""

import json
from typing import Any

from pydantic import ValidationError

from delegation import InputError, Plan
from graph.intake import read_text

__all__ = ["read_json", "read_plan"]

_HINT = "take the gate's metadata.plan from `squad status ID --json`, and change it"


def read_plan(argument: str) -> Plan:
    """Read a plan out of a file, or out of standard input for ``-``.

    Raises:
        InputError: it cannot be read, or is no plan; the error names the first field that cannot be used.
    """
    given, source = _json_of(argument, "plan", _HINT)
    try:
        if isinstance(given, dict) and (other := sorted(given.keys() - Plan.model_fields.keys())):
            raise InputError(f"{source} holds no plan: a plan has no {other[0]!r}", hint=_HINT)
        return Plan.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{source} holds no plan: {where + ': ' if where else ''}{first['msg']}", hint=_HINT) from None


def read_json(argument: str, *, what: str) -> Any:
    """Read JSON out of a file, or out of standard input for ``-``; InputError where there is none."""
    return _json_of(argument, what, f"give the {what} as JSON")[0]


def _json_of(argument: str, what: str, hint: str) -> tuple[Any, str]:
    text, source = read_text(argument, what=what)
    try:
        return json.loads(text), source
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source} holds no {what}: it is no JSON ({error})", hint=hint) from None

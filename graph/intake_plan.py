"""A plan from a file: what an answer of the decision edit brings, as JSON."""

import json

from pydantic import ValidationError

from delegation import InputError, Plan
from graph.intake import read_text

__all__ = ["read_plan"]

_HINT = "take the gate's metadata.plan from `squad status ID --json`, and change it"


def read_plan(argument: str) -> Plan:
    """Read a plan out of a file, or out of standard input for ``-``.

    Raises:
        InputError: it cannot be read, or is no plan; the error names the first field that cannot be used.
    """
    text, source = read_text(argument, what="plan")
    try:
        given = json.loads(text)
        if isinstance(given, dict) and (other := sorted(given.keys() - Plan.model_fields.keys())):
            raise InputError(f"{source} holds no plan: a plan has no {other[0]!r}", hint=_HINT)
        return Plan.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{source} holds no plan: {where + ': ' if where else ''}{first['msg']}", hint=_HINT) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source} holds no plan: it is no JSON ({error})", hint=_HINT) from None

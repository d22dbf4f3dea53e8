"""A plan from a file: what an answer of the decision edit brings, as JSON."""

from pydantic import ValidationError

from delegation import InputError, Plan
from graph.intake import read_text

__all__ = ["read_plan"]


def read_plan(argument: str) -> Plan:
    """Read a plan out of a file, or out of standard input for ``-``.

    Raises:
        InputError: it cannot be read, or is no plan; the error names the first field that cannot be used.
    """
    text, source = read_text(argument)
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{source} holds no plan: {where + ': ' if where else ''}{first['msg']}",
            hint="take the gate's metadata.plan from `squad status ID --json`, and change it",
        ) from None

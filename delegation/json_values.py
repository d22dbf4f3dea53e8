"""What callers hand over to be stored: turned into plain JSON values, or refused by name before anything is touched."""

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from delegation.errors import InputError, PlanError

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")

__all__ = ["json_object", "listed", "validated"]

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def json_object(value: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """Return a mapping as JSON values: times in ISO 8601, ids and enumerations as text, sets and tuples as lists.

    Raises:
        InputError: it is no mapping from text, or holds something that JSON cannot.
    """
    if value is None:
        return {}
    try:
        plain: dict[str, Any] = _OBJECT.dump_python(_OBJECT.validate_python(dict(value)), mode="json")
    except (ValidationError, PydanticSerializationError, TypeError, ValueError) as error:
        raise InputError(
            f"{what} cannot be stored: {str(error).splitlines()[0]}",
            hint="give a mapping from names to text, numbers, lists and the like",
        ) from error
    return plain


def validated(model: type[Model], value: Any, what: str, hint: str | None = None) -> Model:
    """Return a value as a model.

    Raises:
        InputError: it does not fit; the error names the first field that does not, and what is wrong with it.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (what, *first["loc"])))
        raise InputError(f"{where} cannot be used: {first['msg']}", hint=hint) from error


def listed(values: Iterable[Item], kind: type[Item] | None = None) -> list[Item]:
    """Return what a caller hands over as a list, whose items are all of that kind.

    Raises:
        PlanError: it cannot be gone through, or holds something else.
    """
    name = kind.__name__ if kind else "item"
    try:
        through = iter(values)
    except TypeError:
        raise PlanError(
            f"{reprlib.repr(values)} is no list of {name}s",
            hint=f"give a list of {name}s, an empty one where there are none",
        ) from None
    found = list(through)
    if kind is not None:
        for wrong in set(map(type, found)):
            if not issubclass(wrong, kind):
                raise PlanError(f"a {wrong.__name__} stands where a {name} should", hint=f"give a list of {name}s")
    return found

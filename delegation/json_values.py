"""What callers hand over to be stored: turned into plain JSON values, or refused by name before anything is touched."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from delegation.errors import InputError

Model = TypeVar("Model", bound=BaseModel)

__all__ = ["json_object", "validated"]

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

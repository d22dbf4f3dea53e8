"""Agents of the user's own for the command line: a mapping in a module that can be imported from the present folder."""

import importlib
import sys
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from agents import Roster
from delegation import InputError
from graph.masking import masked

__all__ = ["agents_at"]


def agents_at(place: str | None) -> Mapping[Any, Any] | None:
    """Return the agents that ``module:attribute`` names; None where no place is given.

    The module runs with all that this process may do, as with any server that imports an application.

    Raises:
        InputError: it cannot be imported, has no such attribute, or that is no mapping.
        ConfigurationError: an agent in it cannot work, or is for no role.
    """
    if place is None:
        return None
    module_name, _, path = place.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--agents {place}: {module_name} cannot be imported: {type(error).__name__}: {masked(str(error))}",
            hint='run `python -c "import …"` in this folder to see where',
        ) from error
    try:
        found = reduce(getattr, path.split("."), module)
    except AttributeError:
        raise InputError(f"--agents {place}: {module_name} has no {path}", hint=_hint(module)) from None
    if not isinstance(found, Mapping):
        raise InputError(
            f"--agents {place} is {type(found).__name__}, and no mapping from roles to agents",
            hint="AGENTS = {Role.BACKEND_DEVELOPER: my_graph}",
        )
    Roster(found)  # refuses what cannot work, before a database is opened
    return found


def _hint(module: Any) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Mapping) and not name.startswith("_")]
    return f"its mappings are {', '.join(names)}" if names else "AGENTS = {Role.BACKEND_DEVELOPER: my_graph}"

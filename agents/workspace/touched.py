"""Which files are tests, and which a change touches of those that there are. Pure: names alone, no file is opened."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["is_test", "touched_tests"]

_FOLDERS = frozenset({"__tests__", "e2e", "spec", "specs", "test", "tests"})
"""Folders whose files are tests, or what tests stand on, in the common ecosystems."""

_NAMES = re.compile(
    r"""
      test_.*\.py | .*_test\.py | conftest\.py | tests?\.py     # Python
    | .*_test\.go                                               # Go
    | .*[._-](test|spec|cy)\.[cm]?[jt]sx?                       # JavaScript, TypeScript
    | .*(Test|Tests|IT|Spec|TestCase)\.(java|kt|kts|scala|groovy|cs|fs|vb|php|swift|m|mm)
    | (test_.*|.*_(test|spec))\.(rb|exs?|clj[cs]?|dart|lua|cc|cpp|cxx|c|h|hpp|rs|sh|bats|zig|jl|r|R)
    | (test|tests)\.rs | .*\.(bats|feature|snap|t)
    """,
    re.VERBOSE,
)
"""Names of tests by the habits of each ecosystem."""

_DECIDING = re.compile(
    r"""
      conftest\.py | (site|user)customize\.py | \.?(pytest|tox|phpunit)\.(ini|toml|xml|xml\.dist) | \.coveragerc
    | (jest|vitest|karma|cypress|playwright)\.config\..*
    """,
    re.VERBOSE,
)
"""Names of what decides which tests are run, and how that ends: a new one can switch off those that there are."""


def is_test(path: str) -> bool:
    """Tell whether a file looks like a test, by its name or by a folder that it is in."""
    name, folders = PurePosixPath(path).name, PurePosixPath(path).parent.parts
    is_named = _NAMES.fullmatch(name) or _DECIDING.fullmatch(name)
    return is_named is not None or any(folder.casefold() in _FOLDERS for folder in folders)


def touched_tests(changes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the existing tests that a change touches, each with what became of it: changed or deleted.

    What is new and decides which tests are run touches those that there are, and counts as added.

    Args:
        changes: paths, each with git's letter for what differs: A is a new file, D one that is gone. A file that was
            renamed is gone under its old name.
    """
    what = {"A": "added", "D": "deleted"}
    return {
        path: what.get(kind, "changed")
        for path, kind in changes
        if (is_test(path) if kind != "A" else _DECIDING.fullmatch(PurePosixPath(path).name))
    }

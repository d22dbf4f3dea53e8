"""Which files are tests, and which existing ones a change touches. Pure: names alone, no file is opened."""

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
    | (pytest|tox|phpunit)\.(ini|toml|xml|xml\.dist) | \.coveragerc | (jest|vitest|karma|cypress|playwright)\.config\..*
    """,
    re.VERBOSE,
)
"""Names of tests by the habits of each ecosystem, and of what decides which of them are run."""


def is_test(path: str) -> bool:
    """Tell whether a file looks like a test, by its name or by a folder that it is in."""
    name, folders = PurePosixPath(path).name, PurePosixPath(path).parent.parts
    return _NAMES.fullmatch(name) is not None or any(folder.casefold() in _FOLDERS for folder in folders)


def touched_tests(changes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the existing tests that a change touches, each with what became of it: changed or deleted.

    Args:
        changes: paths, each with git's letter for what differs: A is a new file, D one that is gone. A file that was
            renamed is gone under its old name.
    """
    return {path: "deleted" if kind == "D" else "changed" for path, kind in changes if kind != "A" and is_test(path)}

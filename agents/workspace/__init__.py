"""Hands: a git repository that members work in, each in a working copy of its own, and programs that are confined."""

from agents.workspace.commits import Author, Commit, Mark
from agents.workspace.confine import Confined, Containment, Limits, Ran
from agents.workspace.hands import CopyHands
from agents.workspace.repository import Repository
from agents.workspace.touched import is_test, touched_tests
from agents.workspace.workspace import Conflict, Copy, Workspace

__all__ = [
    "Author",
    "Commit",
    "Confined",
    "Conflict",
    "Containment",
    "Copy",
    "CopyHands",
    "Limits",
    "Mark",
    "Ran",
    "Repository",
    "Workspace",
    "is_test",
    "touched_tests",
]

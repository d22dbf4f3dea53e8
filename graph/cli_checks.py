"""What was typed, checked as a whole: what goes together, and what must not be empty."""

import argparse
import math

from graph.cli_changes import are_none

__all__ = ["UsageError", "check_together"]


class UsageError(Exception):
    """What was typed is no command; ``hint`` says what would be one."""

    code = "usage"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def check_together(found: argparse.Namespace) -> None:
    """Check what argparse cannot say: what goes together, and what must not be empty.

    Raises:
        UsageError: it makes no command; the hint says what would.
    """
    if found.db is not None and not found.db.strip():
        raise UsageError("--db names no database", hint="give a path, or leave it out")
    if found.command == "run" and (found.source is None) == (found.task is None):
        what = "no task is given" if found.task is None else "a task and --task are given, and only one can be run"
        raise UsageError(what, hint='squad run FILE, squad run - or squad run "Add a login page"; or --task ID alone')
    if found.command == "answer" and found.decision == "respond" and not (found.text or "").strip():
        raise UsageError("an answer needs its words", hint='squad answer ID GATE "text", or --decision approve')
    if found.command == "answer" and (found.decision == "edit") != (found.plan is not None):
        raise UsageError(
            "--decision edit and --plan FILE go together",
            hint="the plan is in `squad status ID --json`, under gates, metadata, plan",
        )
    if getattr(found, "agents", None) is not None and not all(found.agents.partition(":")):
        raise UsageError(f"--agents {found.agents} names no attribute of a module", hint="--agents my_agents:AGENTS")
    if getattr(found, "grace", None) is not None and not 0 <= found.grace < math.inf:
        raise UsageError(f"--grace {found.grace:g} is no time in seconds", hint="--grace 30, or 0 to stop at once")
    _check_what_is_asked(found)


def _check_what_is_asked(found: argparse.Namespace) -> None:
    if found.command == "replan" and are_none(found):
        raise UsageError("nothing is to change", hint="squad replan ID --away MEMBER, or --cancel SUBTASK")
    if found.command == "prune" and found.older_than is None:
        raise UsageError("it is not said how old is old enough", hint="squad prune --older-than 30d")
    if found.command == "block" and not found.text.strip():
        raise UsageError("the question to the human is empty", hint='squad block ID "Which API is meant?"')
    if found.command == "block" and found.default is not None and found.deadline_in is None:
        raise UsageError(
            "--default without --deadline-in would never count", hint="squad block ID TEXT --deadline-in 2h"
        )

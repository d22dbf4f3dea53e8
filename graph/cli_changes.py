"""What `squad replan` takes: changes of plan and squad, as options, and the changes that they mean.

Nothing heavy is imported before the words have been understood.
"""

import argparse
from collections.abc import Callable
from typing import Any

__all__ = ["are_none", "changes_of", "declare_changes"]

_KINDS = ("add", "estimate", "give", "cancel", "away", "back")


def declare_changes(parser: argparse.ArgumentParser) -> None:
    """Declare the options; each may be given several times, and all of them are one change."""
    more: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--away", metavar="MEMBER", help="a member drops out; what it has goes to others", **more)
    parser.add_argument("--back", metavar="MEMBER", help="a member that had dropped out is there again", **more)
    parser.add_argument(
        "--estimate", type=_hours, metavar="SUBTASK=HOURS", help="how long a subtask takes, in all", **more
    )
    parser.add_argument("--give", type=_pair, metavar="SUBTASK=MEMBER", help="somebody else does a subtask", **more)
    parser.add_argument("--cancel", metavar="SUBTASK", help="nobody wants a subtask any more", **more)
    parser.add_argument(
        "--add", metavar="FILE|-", help="a new subtask as JSON; needed_by names those that wait for it", **more
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the log and for who is told")


def are_none(found: argparse.Namespace) -> bool:
    """Tell whether nothing is to change."""
    return not any(getattr(found, kind) for kind in _KINDS)


def changes_of(found: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what was typed as changes, in the order in which they are made.

    Raises:
        InputError: a file cannot be read, or holds no JSON.
    """
    made: dict[str, Callable[[Any], dict[str, Any]]] = {
        "add": _added,
        "estimate": lambda pair: {"kind": "revise_estimate", "subtask_id": pair[0], "hours": pair[1]},
        "give": lambda pair: {"kind": "reassign", "subtask_id": pair[0], "member_id": pair[1]},
        "cancel": lambda name: {"kind": "cancel_subtask", "subtask_id": name},
        "away": lambda name: {"kind": "member_unavailable", "member_id": name},
        "back": lambda name: {"kind": "member_available", "member_id": name},
    }
    return [made[kind](value) for kind in _KINDS for value in getattr(found, kind)]


def _added(source: str) -> dict[str, Any]:
    from delegation import InputError  # noqa: PLC0415 - it would be loaded for every complaint about usage
    from graph.intake_plan import read_json  # noqa: PLC0415 - as above

    given = read_json(source, what="subtask")
    if not isinstance(given, dict):
        raise InputError("the new subtask is no JSON object", hint='{"id": "S9", "title": "…", "needed_by": ["S5"]}')
    needed_by = given.pop("needed_by", [])
    return {"kind": "add_subtask", "subtask": given, "needed_by": needed_by}


def _pair(text: str) -> tuple[str, str]:
    name, is_there, value = text.partition("=")
    if not (name and is_there and value):
        raise argparse.ArgumentTypeError(f"{text!r} is no pair, such as S3=bob")
    return name, value


def _hours(text: str) -> tuple[str, float]:
    name, value = _pair(text)
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of hours, as in S3=6.5") from None

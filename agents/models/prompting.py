"""Prompts: the instructions are files and never hold a word of anybody's; what they are about follows as data."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from delegation import Role

__all__ = ["instructions", "joined"]


@cache
def instructions(role: Role, judgement: str, *more: str) -> str:
    """Return the system prompt for a role's judgement, or for its work: what holds for all roles, then its own.

    It is the same for every task: nothing is filled in. ``more`` names files of ``prompts/work``. A judgement that all
    roles make has one file for them, in ``prompts/any``.
    """
    folder = files("agents.models").joinpath("prompts")
    own, shared = folder.joinpath(role.value, f"{judgement}.md"), folder.joinpath("any", f"{judgement}.md")
    parts = [folder.joinpath("everyone.md"), own if own.is_file() else shared]
    parts += [folder.joinpath("work", f"{name}.md") for name in more]
    return joined(part.read_text("utf-8") for part in parts)


def joined(parts: Iterable[str]) -> str:
    """Return the parts that say anything, an empty line between them."""
    return "\n\n".join(text for part in parts if (text := part.strip()))

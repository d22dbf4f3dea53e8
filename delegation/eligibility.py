"""Who may do a subtask: by role, by skill, and unless excluded; and, where nobody may, how far off the nearest is."""

from collections.abc import Iterable

from delegation.plan import Subtask
from delegation.squad import STAND_INS, Role, SquadMember

__all__ = ["fits", "is_specialist", "role_distance", "shortfall", "specialities", "why_unassigned"]


def role_distance(role: Role, asked: Role | None) -> int | None:
    """Return 0 for the asked role itself (or none asked), 1 and up for its stand-ins, best first, None for the rest."""
    if asked is None or role == asked:
        return 0
    stand_ins = STAND_INS.get(asked, ())
    return stand_ins.index(role) + 1 if role in stand_ins else None


def specialities(member: SquadMember) -> set[str]:
    """Return the skills and areas that the member is a specialist for: python_fastapi is one for python and fastapi."""
    return {member.specialisation, *member.specialisation.split("_")} if member.specialisation else set()


def is_specialist(member: SquadMember, subtask: Subtask) -> bool:
    """Tell whether a skill or the area that the subtask asks for is a speciality of the member."""
    if not member.specialisation:
        return False
    return any(word in subtask.skills or word == subtask.area for word in specialities(member))


def fits(member: SquadMember, subtask: Subtask) -> bool:
    """Tell whether the member may do the subtask: the same answer as ``shortfall(…) is None``, without the words."""
    if role_distance(member.role, subtask.role) is None or member.id in subtask.excluded:
        return False
    skills = member.skills
    return all(name in skills and skills[name] >= level for name, level in subtask.skills.items())


def shortfall(member: SquadMember, subtask: Subtask) -> str | None:
    """Say what keeps the member from the subtask, as the rest of a sentence about it; None where it fits.

    Examples: "is excluded", "is a tester, needs backend_developer", "needs kubernetes 2, has 1; needs sql 1, has none".
    """
    if member.id in subtask.excluded:
        return "is excluded"
    if role_distance(member.role, subtask.role) is None:
        return f"is a {member.role}, needs {subtask.role}"
    parts = [
        f"needs {name} {level}, has {member.skills.get(name, 'none')}" for name, level in _lacking(member, subtask)
    ]
    return "; ".join(parts) or None


def why_unassigned(subtask: Subtask, members: Iterable[SquadMember]) -> str:
    """Say why none of the members may do the subtask, with the nearest miss.

    Example: "needs kubernetes 2; the closest is backend-2 with 1". Among the members a missing skill is nearer than a
    wrong role, few missing levels nearer than many. Where some fit after all, it says who.
    """
    everyone = list(members)
    if not everyone:
        return "there are no members"
    if able := [member.id for member in everyone if fits(member, subtask)]:
        return f"nothing is amiss: {_and(able)} may do it"
    unbarred = subtask.model_copy(update={"excluded": []})
    if barred := [member.id for member in everyone if fits(member, unbarred)]:
        return f"nobody is left: {_and(barred)} would fit, but {'is' if len(barred) == 1 else 'are'} excluded"
    closest = min(everyone, key=lambda member: _distance(member, subtask))
    if role_distance(closest.role, subtask.role) is None:
        return f"needs the role {subtask.role}; the closest is {closest.id}, a {closest.role}"
    lacking = _lacking(closest, subtask)
    needs = _and([f"{name} {level}" for name, level in lacking])
    if len(lacking) == 1:
        return f"needs {needs}; the closest is {closest.id} with {closest.skills.get(lacking[0][0], 'none')}"
    has = _and([f"{name} {closest.skills[name]}" if name in closest.skills else f"no {name}" for name, _ in lacking])
    return f"needs {needs}; the closest is {closest.id} with {has}"


def _lacking(member: SquadMember, subtask: Subtask) -> list[tuple[str, int]]:
    """Return the asked skills, with their levels, that the member does not have at that level."""
    have = member.skills
    return [(name, level) for name, level in subtask.skills.items() if name not in have or have[name] < level]


def _distance(member: SquadMember, subtask: Subtask) -> tuple[bool, bool, int]:
    """How far a member is from a subtask, for comparison; an absent skill counts as one level below 0."""
    missing = sum(level - member.skills.get(name, -1) for name, level in _lacking(member, subtask))
    return role_distance(member.role, subtask.role) is None, member.id in subtask.excluded, missing


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""Whom a member that is stuck asks: those who may do what it is about, best first, and who made what it builds on."""

from collections.abc import Collection, Mapping, Sequence

from delegation.eligibility import fits, is_specialist, role_distance
from delegation.plan import Subtask
from delegation.squad import Role, SquadMember

__all__ = ["whom_to_ask"]


def whom_to_ask(
    members: Sequence[SquadMember],
    subtask: Subtask,
    asker_id: str,
    *,
    role: Role | None = None,
    skills: Mapping[str, int] | None = None,
    makers: Collection[str] = (),
    most: int = 3,
) -> list[SquadMember]:
    """Return the members to ask, best first; never the one that asks.

    Args:
        members: Whoever is there.
        subtask: What the question is about.
        asker_id: Who asks.
        role: Asked for: this role, or a stand-in for it.
        skills: Asked for: these, at these levels or above.
        makers: Who made what the subtask builds on: they come first, and where neither role nor skills are asked for
            they are asked whether or not they could do the subtask themselves.
        most: At most so many.
    """
    is_open = role is None and not skills
    wanted = {"role": subtask.role if is_open else role, "skills": subtask.skills if is_open else dict(skills or {})}
    probe = subtask.model_copy(update={**wanted, "excluded": []})

    def rank(one: SquadMember) -> tuple[bool, int, bool, str]:
        distance = role_distance(one.role, probe.role)
        return one.id not in makers, len(Role) if distance is None else distance, not is_specialist(one, probe), one.id

    able = [one for one in members if fits(one, probe) or (is_open and one.id in makers)]
    return sorted((one for one in able if one.id != asker_id), key=rank)[:most]

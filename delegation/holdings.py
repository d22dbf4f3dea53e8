"""Who has each subtask of a board, who has refused it, and who comes next."""

from collections.abc import Callable, Collection, Mapping, Sequence

from delegation.eligibility import fits, is_specialist, role_distance, why_unassigned
from delegation.plan import Subtask
from delegation.squad import SquadMember

__all__ = ["Holdings"]


class Holdings:
    """The owners of subtasks, by position, and the remaining hours of each member; see :class:`Board`.

    It knows nothing of how a subtask stands: that it can run still is for the board to say.
    """

    def __init__(
        self,
        subtasks: Sequence[Subtask],
        members: Sequence[SquadMember],
        refusals: Mapping[str, Collection[str]],
        max_refusals: int,
        away: Callable[[], Collection[str]],
    ) -> None:
        self.members = {member.id: member for member in members}
        self.owner: list[str | None] = [None] * len(subtasks)
        self.refused = [set(refusals.get(subtask.id, ())) for subtask in subtasks]
        self.away = away
        self._subtasks = subtasks
        self._max_refusals = max_refusals
        self._load = dict.fromkeys(self.members, 0.0)  # remaining hours by member

    def give(self, at: int, member_id: str) -> None:
        """Move a subtask and its hours to another owner."""
        self.lift(at)
        if member_id in self._load:
            self._load[member_id] += self._subtasks[at].effort
        self.owner[at] = member_id

    def lift(self, at: int) -> None:
        """Take a subtask's hours from its owner, who has it still."""
        owner = self.owner[at]
        if owner in self._load:
            self._load[owner] -= self._subtasks[at].effort

    def stays(self, at: int) -> bool:
        """Tell whether the owner is there to do the subtask, and it was not refused too often."""
        owner = self.owner[at]
        return owner in self.members and owner not in self.refused[at] and not self._is_worn_out(at)

    def may_get(self, member: SquadMember, at: int) -> bool:
        """Tell whether the subtask is the member's, or could become its own by one refusal more."""
        if self.owner[at] == member.id:
            return True
        refused = self.refused[at]
        return len(refused) < self._max_refusals and member.id not in refused and fits(member, self._subtasks[at])

    def takers(self, at: int, among: Collection[str]) -> list[str]:
        """Return the ids of those among these who may get the subtask, best first."""
        able = [one for one in self.members.values() if one.id in among and self.may_get(one, at)]
        return [one.id for one in sorted(able, key=self._preference(at))]

    def next_best(self, at: int) -> str | None:
        """Return the id of who is to do the subtask after a refusal; None where nobody is left, or it was too often."""
        able = self._able(at)
        return None if self._is_worn_out(at) or not able else min(able, key=self._preference(at)).id

    def why_nobody(self, at: int) -> str:
        """Say why there is no next best."""
        refused = sorted(self.refused[at])
        if self._able(at):
            return f"refused {len(refused)} times, by {', '.join(refused)}"
        if refused:
            return f"refused by {', '.join(refused)}, and nobody else may do it"
        why = why_unassigned(self._subtasks[at], self.members.values())
        return f"{self.owner[at]} is not there, and nobody else may do it: {why}"

    def _is_worn_out(self, at: int) -> bool:
        return len(self.refused[at]) > self._max_refusals

    def _able(self, at: int) -> list[SquadMember]:
        subtask, refused = self._subtasks[at], self.refused[at]
        return [one for one in self.members.values() if one.id not in refused and fits(one, subtask)]

    def _preference(self, at: int) -> Callable[[SquadMember], tuple[bool, int, bool, float, str]]:
        """Return the key by which those who may do a subtask are ranked, best first."""
        subtask, away = self._subtasks[at], self.away()

        def rank(one: SquadMember) -> tuple[bool, int, bool, float, str]:
            distance, load = role_distance(one.role, subtask.role) or 0, round(self._load[one.id] / one.capacity, 9)
            return one.id in away, distance, not is_specialist(one, subtask), load, one.id

        return rank

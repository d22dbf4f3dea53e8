"""What chance does to work in a simulation: how long it takes, whether it fails, comes back or is refused."""

import random
from dataclasses import dataclass

from delegation.plan import Subtask

__all__ = ["Luck"]

_REWORK_SHARE = 0.5  # how much of the effort a rework takes: what is there already is mended, not made again
_MAX_REWORKS = 3


@dataclass(frozen=True, slots=True)
class Luck:
    """Draws what happens to a subtask, from nothing but the seed and which subtask of which task it is."""

    seed: int
    error: float
    failure: float
    rework: float
    refusal: float

    def refuses(self, task: int, subtask: Subtask, member_id: str) -> bool:
        """Tell whether the member refuses the subtask."""
        return self.refusal > 0 and self._draws(task, subtask, member_id).random() < self.refusal

    def work(self, task: int, subtask: Subtask) -> tuple[float, int, bool]:
        """Return the hours that the work takes, reworks included, their number, and whether it fails."""
        draws = self._draws(task, subtask, "")
        hours = subtask.effort * self._factor(draws)
        if draws.random() < self.failure:
            return hours, 0, True
        reworks = 0
        while reworks < _MAX_REWORKS and draws.random() < self.rework:
            reworks += 1
            hours += _REWORK_SHARE * subtask.effort * self._factor(draws)
        return hours, reworks, False

    def _factor(self, draws: random.Random) -> float:
        return draws.lognormvariate(-self.error * self.error / 2, self.error)

    def _draws(self, task: int, subtask: Subtask, member_id: str) -> random.Random:
        return random.Random(repr((self.seed, task, subtask.id, member_id)))  # noqa: S311 - luck, no secrets

"""Past tasks that are like a text: found by their words and, where there are embeddings, by what they mean."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from langchain_core.embeddings import Embeddings

from agents.memory.vectors import Vectors
from delegation import PastTask

__all__ = ["PastTasks", "Recall", "fused"]

logger = logging.getLogger(__name__)

CANDIDATES = 30
"""How many tasks each way of searching may bring forward."""
STEADINESS = 60
"""The usual constant of reciprocal rank fusion: the higher, the less the very first ranks outweigh the others."""


class PastTasks(Protocol):
    """Where past tasks are kept; whatever is asked for is of one squad, and nothing of another's is looked at."""

    async def find(self, squad_id: UUID, words: str, *, limit: int = 10) -> list[int]:
        """Return the numbers of tasks that share words with a text, the most similar first."""
        ...

    async def get(self, squad_id: UUID, ids: Sequence[int]) -> list[PastTask]:
        """Return the tasks of these numbers, in their order; those that are not there are left out."""
        ...

    async def newest(self, squad_id: UUID) -> int:
        """Return the highest number of the squad's tasks; 0 where it has none."""
        ...

    async def without_vectors(self, squad_id: UUID, model: str, *, after: int = 0, limit: int) -> list[tuple[int, str]]:
        """Return number and text of tasks after that number that the model has given no vector yet, newest first."""
        ...

    async def keep_vectors(self, squad_id: UUID, model: str, vectors: Mapping[int, bytes]) -> None:
        """Store what a model made of tasks."""
        ...

    async def vectors(self, squad_id: UUID, model: str, *, after: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Return vectors stored after the one of that number: its own number, its task's, its bytes."""
        ...


class Recall:
    """Finds the past tasks of a squad that are most like a text."""

    def __init__(self, past: PastTasks, embeddings: Embeddings | None = None) -> None:
        self._past = past
        self._vectors = Vectors(past, embeddings) if embeddings is not None else None

    async def similar(
        self, squad_id: UUID, text: str, *, limit: int = 5, without: UUID | None = None
    ) -> list[PastTask]:
        """Return the squad's past tasks that are most like a text, best first; ``without`` leaves an execution out.

        Where the embeddings fail, words alone decide: what is remembered helps, and nothing stops for the lack of it.
        """
        ranks = [await self._past.find(squad_id, text, limit=CANDIDATES)]
        if self._vectors:
            try:
                ranks.append(await self._vectors.nearest(squad_id, text, limit=CANDIDATES))
            except Exception as error:  # noqa: BLE001 - a provider's; what it raises is no business of the task's
                logger.warning("past tasks are found by their words alone: %s", type(error).__name__)
        found = await self._past.get(squad_id, fused(ranks)[: limit + 1])
        return [one for one in found if one.execution_id != without][:limit]

    async def embed_all(self, squad_id: UUID) -> int:
        """Have every past task of the squad embedded that is not yet, and return how many that were.

        A search embeds the newest ones that lack it by itself; this is for what had piled up before.
        """
        return await self._vectors.embed_all(squad_id) if self._vectors else 0


def fused(ranks: Iterable[Sequence[int]]) -> list[int]:
    """Return several rankings as one, by reciprocal rank fusion; among equals, the later number comes first."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in ranks:
        for place, one in enumerate(ranking, start=1):
            scores[one] += 1 / (STEADINESS + place)
    return sorted(scores, key=lambda one: (-scores[one], -one))

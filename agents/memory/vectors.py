"""Nearest past tasks by embeddings: every vector of a squad compared, in one product of a matrix kept in memory.

A hundred thousand vectors are compared in some milliseconds, so there is no index to build, to tune or to wait for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.embeddings import Embeddings

from delegation import ConfigurationError

if TYPE_CHECKING:
    from agents.memory.recall import PastTasks

__all__ = ["Vectors"]

SQUADS = 4
"""Of how many squads vectors stay in memory: those that were searched last."""
READ = 5_000
"""How many vectors are read in one transaction."""
BATCH = 64
"""How many texts are embedded in one call."""
AT_ONCE = 2
"""How many batches a search embeds of what lacks vectors; the rest is for the next search, or ``embed_all``."""
LONGEST = 8_000
"""Characters of a text that are embedded; models cut far earlier."""


class _Matrix:
    """The vectors of one squad, a row each, with room to grow."""

    def __init__(self, numpy: Any, width: int) -> None:
        self._np, self.width = numpy, width
        self.ids: list[int] = []
        self.read_to = 0
        self._rows = numpy.zeros((1_024, width), dtype="<f4")

    def add(self, vectors: Sequence[tuple[int, bytes]]) -> None:
        """Add vectors; one of another length is of a model that has changed since, and says nothing."""
        fitting = [(one, vector) for one, vector in vectors if len(vector) == 4 * self.width]
        first, end = len(self.ids), len(self.ids) + len(fitting)
        while end > len(self._rows):
            self._rows = self._np.concatenate([self._rows, self._np.zeros_like(self._rows)])
        read = self._np.frombuffer(b"".join(vector for _, vector in fitting), dtype="<f4")
        self._rows[first:end] = read.reshape(len(fitting), self.width)
        self.ids += [one for one, _ in fitting]

    def nearest(self, query: Any, limit: int) -> list[int]:
        """Return whose vectors have the smallest angle to the query's, the nearest first."""
        alike = self._rows[: len(self.ids)] @ query
        most = min(limit, len(alike))
        best = self._np.argpartition(-alike, most - 1)[:most] if most else []
        return [self.ids[one] for one in sorted(best, key=lambda one: -alike[one])]


class Vectors:
    """Embeds past tasks where that was not done yet, and finds those nearest to a text.

    Vectors are kept under the model's name, as far as it says one: its class and its ``model``. Another model's are
    never compared.

    Raises:
        ConfigurationError: numpy is not installed.
    """

    def __init__(self, past: "PastTasks", embeddings: Embeddings) -> None:
        try:
            import numpy as np  # noqa: PLC0415 - an extra, and nothing else needs it
        except ImportError as error:
            hint = "pip install 'squad-graph[vectors]', or leave the embeddings out"
            raise ConfigurationError("embeddings need numpy", hint=hint) from error
        self._np: Any = np
        self._past, self._embeddings = past, embeddings
        kind = type(embeddings)
        self.name = f"{kind.__module__}.{kind.__qualname__}:{getattr(embeddings, 'model', '')}"
        self._matrices: OrderedDict[UUID, _Matrix] = OrderedDict()
        self._complete: dict[UUID, int] = {}
        """Up to which number all of a squad's tasks have a vector, so that nobody looks through them again."""
        self._turn = asyncio.Lock()

    async def nearest(self, squad_id: UUID, text: str, *, limit: int) -> list[int]:
        """Return the numbers of the squad's past tasks nearest to a text, the nearest first."""
        for _ in range(AT_ONCE):
            if await self._embed_some(squad_id) < BATCH:
                break
        query = self._unit(await self._embeddings.aembed_query(text[:LONGEST]))
        async with self._turn:
            matrix = await self._matrix(squad_id, len(query))
            return await asyncio.to_thread(matrix.nearest, query, limit)

    async def embed_all(self, squad_id: UUID) -> int:
        """Embed all that lack a vector, and return how many that were."""
        total = 0
        while done := await self._embed_some(squad_id):
            total += done
        return total

    async def _embed_some(self, squad_id: UUID) -> int:
        newest, known = await self._past.newest(squad_id), self._complete.get(squad_id, 0)
        if newest <= known:
            return 0
        lacking = await self._past.without_vectors(squad_id, self.name, after=known, limit=BATCH)
        if lacking:
            made = await self._embeddings.aembed_documents([text[:LONGEST] for _, text in lacking])
            vectors = {one: self._unit(vector).tobytes() for (one, _), vector in zip(lacking, made, strict=True)}
            await self._past.keep_vectors(squad_id, self.name, vectors)
        if len(lacking) < BATCH:
            self._complete[squad_id] = newest
        return len(lacking)

    async def _matrix(self, squad_id: UUID, width: int) -> _Matrix:
        """Return the squad's matrix with all that is stored by now."""
        matrix = self._matrices.get(squad_id)
        if matrix is None or matrix.width != width:
            matrix = self._matrices[squad_id] = _Matrix(self._np, width)
        self._matrices.move_to_end(squad_id)
        while len(self._matrices) > SQUADS:
            self._matrices.popitem(last=False)
        while rows := await self._past.vectors(squad_id, self.name, after=matrix.read_to, limit=READ):
            matrix.add([(past_task_id, vector) for _, past_task_id, vector in rows])
            matrix.read_to = rows[-1][0]
        return matrix

    def _unit(self, vector: Any) -> Any:
        """Return a vector of length 1; one that is all zeros stays so, and is near to nothing."""
        array = self._np.asarray(vector, dtype="<f4")
        length = float(self._np.linalg.norm(array))
        return array / self._np.float32(length) if length else array

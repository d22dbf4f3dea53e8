"""A run with a scripted model in a process of its own, which may kill itself at one of the model's calls.

``python model_run.py DATABASE EXECUTION RECORD [CALL]``: each call is a line in the record, before it is answered.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "graph")]

from thinking import Brain  # noqa: E402 - found by the lines above

from graph import TaskOrchestrator  # noqa: E402 - as above
from persistence import Database  # noqa: E402 - as above


class Recorded(Brain):
    """Writes down what is asked, and dies at one of the calls."""

    def __init__(self, record: Path, dies_at: int) -> None:
        super().__init__()
        self._record, self._dies_at = record, dies_at

    _record: Path
    _dies_at: int

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        with self._record.open("a", encoding="utf-8") as file:
            file.write(f"{kwargs['tools'][-1]['function']['name']}\n")
        if len(self._record.read_text(encoding="utf-8").splitlines()) == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super()._agenerate(messages, *args, **kwargs)


async def main(url: str, execution_id: str, record: str, dies_at: str = "0") -> None:
    async with await Database.open(url) as database:
        orchestrator = TaskOrchestrator(database=database, model=Recorded(Path(record), int(dies_at)))
        summary = await orchestrator.run(execution_id)
        print(summary["status"], summary["metrics"]["model_calls"])  # noqa: T201 - a program's output


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

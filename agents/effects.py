"""Outside effects: what an agent does to the world that cannot be taken back, such as a push or a deployment.

An intent is written before the effect begins and its end after it, so that after a crash it is known to have happened,
or known to be in doubt; then a human is asked, and it is never blindly done again.
"""

from typing import Any

from agents.surroundings import Effect, surroundings

__all__ = ["effect"]


async def effect(name: str, call: Effect) -> Any:
    """Have an outside effect and write it down, so that it happens once.

    ``await effect("push the branch", push)``

    Args:
        name: what it is, in words that a person understands; one name within a subtask and round is one effect.
        call: does it. What it gives back is kept, as JSON values.

    Returns:
        What the call gave back, also where it was done before, or what a human said came of it.

    Raises:
        EffectInDoubt: it was begun and has no recorded end. Let it pass: the workflow asks a human.
    """
    journal = surroundings().effects
    return await (call() if journal is None else journal.effect(name, call))

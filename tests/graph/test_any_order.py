"""Any order of any public operations, against a small model: rows, log, gates and thread are as the model has them."""

import asyncio
import os
from pathlib import Path

import pytest
from any_order_by_hand import ByHand
from any_order_driven import Driven
from any_order_world import make_template
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

EXAMPLES = int(os.environ.get("SQUAD_EXAMPLES", "100"))
STEPS = 12
PHASES = [Phase.generate, Phase.shrink]  # explaining traces every line of the project, which takes minutes


class AnyOrder(ByHand, Driven):
    """Several executions of one database, and whatever may be done to them."""


@pytest.mark.slow
@pytest.mark.timeout(120 + 5 * EXAMPLES)  # and whatever a failure takes to be made small
def test_any_order_of_any_operations_leaves_what_the_model_says(tmp_path: Path) -> None:
    template = tmp_path / "template.db"
    squad_id, tasks = asyncio.run(make_template(template))
    run_state_machine_as_test(
        lambda: AnyOrder(template, squad_id, tasks),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=EXAMPLES <= 100,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],  # each step is transactions on a real file
            database=None,
            phases=PHASES,
        ),
    )

"""The settings of a run: what a caller may choose, passed as LangGraph's context and shown as a form in Studio."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from delegation import ConfigurationError, Role

__all__ = ["RULES", "Price", "RunSettings", "chosen_settings", "settings_from"]

RULES = "rules"
"""The brain that needs no model."""


YEAR_S = 31_536_000.0
"""The longest time that a setting may be, in seconds."""


class Price(BaseModel):
    """What a million tokens of a model cost, in any one currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    output: float = Field(ge=0, le=1e6, allow_inf_nan=False)


class RunSettings(BaseModel):
    """What may be chosen for one run of the graph; each default is what most people want."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_reworks: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="How often review and test may send work back before a human is asked.",
    )
    max_refusals: int = Field(
        default=3, ge=0, le=100, description="How many members may refuse a subtask before a human is asked."
    )
    subtask_timeout_s: float = Field(
        default=900.0, gt=0, le=YEAR_S, allow_inf_nan=False, description="How long one subtask may take, in seconds."
    )
    ask_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long colleagues have to answer a member's question, in seconds.",
    )
    standup_every_s: float | None = Field(
        default=None,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How often a standup is held while members work, in seconds; empty: only where something happens.",
    )
    drain_grace_s: float = Field(
        default=30.0,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a running step may go on once the run is to stop, in seconds; then it is cancelled.",
    )
    on_failure: Literal["fail", "ask"] = Field(
        default="fail",
        description="When a subtask or a judgement fails: fail gives the task up; ask waits for a human.",
    )
    approval: Literal["none", "pm", "human"] = Field(
        default="pm",
        description="Who approves the plan and its assignments: nobody, the project manager, or a human as well.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How often an agent is called that meets passing trouble: time-outs, connections, rate limits.",
    )
    retry_wait_s: float = Field(
        default=0.5,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="The longest wait before the second call, in seconds; it doubles with each further one.",
    )
    retry_ceiling_s: float = Field(
        default=30.0,
        ge=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="The longest wait between two calls, in seconds.",
    )
    gate_reminder_s: float | None = Field(
        default=None,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a question of the workflow waits before it is reminded of, in seconds; empty: never.",
    )
    gate_deadline_s: float | None = Field(
        default=None,
        gt=0,
        le=YEAR_S,
        allow_inf_nan=False,
        description="How long a question of the workflow waits before it is late, in seconds; empty: for ever.",
    )
    gate_default: Literal["wait", "go_on", "give_up"] = Field(
        default="wait",
        description="What counts where nobody has answered by the deadline: wait leaves the question open, go_on "
        "approves or lets the squad decide, give_up ends the task as failed.",
    )
    model: str = Field(
        default=RULES,
        min_length=1,
        max_length=200,
        description="The brain behind the roles: rules, or provider:model, such as openai:gpt-5 or ollama:qwen3.",
    )
    models: dict[Role, str] = Field(default={}, description="Other brains for some of the roles, by role.")
    max_model_calls: int = Field(
        default=60, ge=1, le=10_000, description="How often the work on one subtask may call its model."
    )
    max_tool_calls: int = Field(
        default=200, ge=1, le=100_000, description="How often the work on one subtask may use a tool."
    )
    max_subtask_tokens: int | None = Field(
        default=None, ge=1, description="How many tokens the work on one subtask may take; empty: any number."
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="How many tokens, read and written, the models of an execution may take before a human is asked; "
        "empty: any number.",
    )
    max_cost: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="What the models of an execution may cost before a human is asked; empty: anything.",
    )
    prices: dict[str, Price] = Field(
        default={}, description="What a million tokens cost, by model: by its name here, or after the colon."
    )
    workspace: str | None = Field(
        default=None, description="The folder of the git repository that is worked in; empty: no code is written."
    )
    test_command: str | None = Field(
        default=None, description="The project's own test command, run in the workspace; no shell reads it."
    )
    allow_run: bool = Field(default=False, description="Whether members may run programs in their working copies.")
    run_timeout_s: float = Field(
        default=600.0, gt=0, le=YEAR_S, allow_inf_nan=False, description="How long one program may run, in seconds."
    )
    run_memory_mb: int = Field(
        default=2048, ge=16, le=1 << 20, description="How much memory a program's processes may use, in MiB."
    )
    run_reads: tuple[str, ...] | None = Field(
        default=None, description="Folders that programs may read besides the system's, such as a tool chain's."
    )

    @field_validator("workspace")
    @classmethod
    def _as_absolute(cls, folder: str | None) -> str | None:
        """Keep the folder as it is meant now: a later run may begin elsewhere."""
        if folder is None:
            return None
        if not folder.strip() or "\0" in folder:
            raise ValueError("it names no folder")
        return str(Path(folder).expanduser().absolute())

    @field_validator("test_command")
    @classmethod
    def _as_words(cls, command: str | None) -> str | None:
        """Refuse what cannot be taken apart into words."""
        if command is not None and not shlex.split(command):
            raise ValueError("it holds no word")
        return command


def chosen_settings(context: RunSettings | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that a caller chose for the execution, as JSON values; those left out are not among them.

    Neither is the grace period: how long a stop may take is the business of each run, not of the execution.

    Raises:
        ConfigurationError: a setting is unknown or out of range.
    """
    settings = context if isinstance(context, RunSettings) else settings_from(context or {})
    return settings.model_dump(mode="json", exclude_unset=True, exclude={"drain_grace_s"})


def settings_from(values: Mapping[str, Any]) -> RunSettings:
    """Return settings of these values; ConfigurationError, which names the setting, where one cannot be used."""
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"the setting {'.'.join(map(str, first['loc']))!r} cannot be used: {first['msg']}",
            hint=f"the settings are {', '.join(RunSettings.model_fields)}",
        ) from error

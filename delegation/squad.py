"""Who works: roles, the members that hold them, and the squad that they form."""

import math
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

__all__ = ["STAND_INS", "MemberId", "Role", "Squad", "SquadMember"]


class Role(StrEnum):
    """The part that a member plays in the squad."""

    PROJECT_MANAGER = "project_manager"
    TECH_LEAD = "tech_lead"
    BACKEND_DEVELOPER = "backend_developer"
    FRONTEND_DEVELOPER = "frontend_developer"
    TESTER = "tester"
    DEVOPS_ENGINEER = "devops_engineer"
    DESIGNER = "designer"


STAND_INS: dict[Role, tuple[Role, ...]] = {
    Role.PROJECT_MANAGER: (Role.TECH_LEAD,),
    Role.TECH_LEAD: (Role.BACKEND_DEVELOPER,),
    Role.BACKEND_DEVELOPER: (Role.TECH_LEAD,),
    Role.FRONTEND_DEVELOPER: (Role.TECH_LEAD,),
    Role.TESTER: (Role.TECH_LEAD,),
    Role.DEVOPS_ENGINEER: (Role.TECH_LEAD, Role.BACKEND_DEVELOPER),
    Role.DESIGNER: (Role.FRONTEND_DEVELOPER,),
}
"""Who may stand in for a role, best first; the role itself always comes before them."""


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else str(value)


MemberId = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
"""A member's id: any text that is unique within its squad; other values are taken by their text."""


class SquadMember(BaseModel):
    """One agent of a squad and what makes it fit for a piece of work."""

    model_config = ConfigDict(frozen=True)

    id: MemberId
    name: str = Field(min_length=1)
    role: Role
    skills: dict[str, int] = Field(default={}, description="Skill to level; level 0 is a level, absence is lacking.")
    capacity: int = Field(default=1, ge=1, description="How many subtasks it works on at once.")
    available_from: float = Field(default=0.0, ge=0.0, allow_inf_nan=False, description="Hours from now.")
    specialisation: str | None = Field(default=None, description="A finer skill than the role, such as python_fastapi.")
    leave: tuple[tuple[float, float], ...] = Field(
        default=(), description="Spans in which it is away: start and finish in hours from now."
    )

    @field_validator("leave")
    @classmethod
    def _spans_of_time(cls, spans: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        for start, finish in spans:
            if not (math.isfinite(start) and math.isfinite(finish) and start <= finish):
                raise ValueError(f"a leave from {start} to {finish} is none: give finite hours, the start first")
        return spans

    def later(self, hours: float) -> Self:
        """Return the member as it is so many hours from now, with its times counted from then."""
        if not hours or not (self.available_from or self.leave):
            return self
        leave = tuple((start - hours, finish - hours) for start, finish in self.leave)
        return self.model_copy(update={"available_from": max(self.available_from - hours, 0.0), "leave": leave})


class Squad(BaseModel):
    """A named group of members with distinct ids."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(default="default", min_length=1)
    members: list[SquadMember] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct_ids(self) -> Self:
        ids = [member.id for member in self.members]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"member ids must be distinct; given twice: {', '.join(twice)}")
        return self

    @classmethod
    def default(cls) -> Self:
        """Return a squad with one member a role: enough for any task, nobody twice."""
        members = [
            SquadMember(id=role.value, name=role.value.replace("_", " ").capitalize(), role=role) for role in Role
        ]
        return cls(members=members)

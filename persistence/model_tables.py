"""The table of what models were asked and answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from persistence.base import Base, utc_now

__all__ = ["ModelCallRow"]


class ModelCallRow(Base):
    """One answer of a model: it is given again where the same step is made again, and its tokens are counted.

    ``piece`` is the step, or the piece of work on a subtask, that asked. ``key`` is what was asked, as a hash, and how
    often. ``answer`` is gone once the execution was pruned.
    """

    __tablename__ = "model_calls"
    __table_args__ = (Index(None, "execution_id", "piece"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(ForeignKey("executions.id"))
    piece: Mapped[str]
    key: Mapped[str]
    model: Mapped[str]
    answer: Mapped[dict[str, Any] | None]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    at: Mapped[datetime] = mapped_column(default=utc_now)

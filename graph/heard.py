"""What an agent says: each message is its member's own, or refused, without harm to the work that it came with."""

from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from delegation import InputError, Message, check_message

__all__ = ["heard"]

MOST = 1_000
"""How many messages are kept of one piece of work."""


def heard(messages: Any, execution_id: UUID, member_id: str) -> tuple[list[Message], list[str]]:
    """Return the messages that are kept, and for each other one why it is not.

    An agent speaks for its member in its execution, and for nobody else. Ids are given anew, since one that is used
    twice could not be stored.
    """
    kept: list[Message] = []
    refused: list[str] = []
    given = list(messages) if isinstance(messages, list | tuple) else [messages]
    for one in given[:MOST]:
        try:
            plain = Message.model_validate_json(Message.model_validate(one).model_dump_json(warnings=False))
            own = plain.model_copy(update={"id": uuid4(), "execution_id": execution_id, "sender": member_id})
            check_message(own)
        except InputError as error:
            refused.append(error.message)
        except ValidationError as error:
            first = error.errors()[0]
            refused.append(f"not a message: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        except ValueError as error:  # what is no JSON, or no Unicode
            refused.append(f"not a message: {' '.join(str(error).split())}")
        else:
            kept.append(own)
    if len(given) > MOST:
        refused.append(f"{len(given) - MOST} more than the {MOST} that are kept of one piece of work")
    return kept, refused

"""Ask a chat model for one thing until its reply can be read, a few times at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from placecell.agents.chat_client import ChatClient
from placecell.agents.chat_replies import ReplyError
from placecell.errors import ServerError

__all__ = ["ask_model"]

T = TypeVar("T")
_TRIES: Final = 2
_SENT_BACK: Final = 2000  # characters of a reply that is sent back


def ask_model(
    client: ChatClient,
    messages: Sequence[Mapping[str, Any]],
    parse: Callable[[str], T],
    schema: Mapping[str, Any] | None = None,
) -> tuple[T, str]:
    """What a model replies, read by `parse`; a reply that cannot be read is sent back once, with what is wrong.

    `client.usage` counts how it went: `questions`, how many were `answered` at once, how many `mended` by asking again.

    Args:
        client: The model.
        messages: What it is asked.
        parse: Reads a reply; raises `ReplyError` for one that is none.
        schema: JSON schema of the reply, for servers that keep a model to it.

    Returns:
        The reply, and what was wrong with the first one ("" if nothing was).

    Raises:
        ServerError: If the server fails, or no reply can be read.
    """
    usage, asked, problem = client.usage, list(messages), ""
    usage.questions += 1
    for attempt in range(_TRIES):
        cut = usage.truncated
        text = client.complete(asked, schema=schema)
        try:
            reply = parse(text)
        except ReplyError as error:
            problem = str(error)
            if usage.truncated > cut:
                problem = f"cut off after {client.max_tokens or 'too many'} tokens: {problem}"
        else:
            usage.answered += attempt == 0
            usage.mended += attempt > 0
            return reply, problem
        asked += [
            {"role": "assistant", "content": text[:_SENT_BACK]},
            {"role": "user", "content": f"That was {problem}. Reply with the one JSON object, and nothing else."},
        ]
    raise ServerError(
        f"chat model {client.model!r} at {client.url} does not answer as asked, twice: {problem}; try a stronger "
        "model, or a server that keeps to a JSON schema"
    )

"""Which chat model an experiment or a command speaks to, as plain settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from placecell.agents.chat_client import ChatClient

__all__ = ["CHAT_KEY", "ChatModel"]

CHAT_KEY: Final = "PLACECELL_CHAT_KEY"  # the environment variable that holds the key, so that it stands in no file


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model on a server, without its key.

    Args:
        url: Address with the version.
        name: The model's name on that server.
        timeout_s: Most seconds for one request.
        max_pictures: Pictures in a request; 0 for a model that sees none.
        max_questions: Questions in an episode, or for a goal; then the agent decides without the model.

    Example:
        >>> ChatModel("http://localhost:8000/v1", "smollm2").client().url
        'http://localhost:8000/v1/chat/completions'
    """

    url: str
    name: str
    timeout_s: float = 60.0
    max_pictures: int = 4
    max_questions: int = 60

    def client(self) -> ChatClient:
        """A client of its own, with the key of the environment if there is one.

        Raises:
            ValueError: If a setting is out of range.
        """
        return ChatClient(self.url, self.name, api_key=os.environ.get(CHAT_KEY) or None, timeout_s=self.timeout_s)

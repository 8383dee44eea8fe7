"""Agents that use a memory: readers that answer from it, planners that live on it, teams that share it."""

from typing import TYPE_CHECKING, Any

from placecell.agents.answer import Answer, evidence_row
from placecell.agents.questions import Question, parse_question
from placecell.agents.reader import EvidenceReader

if TYPE_CHECKING:
    from placecell.agents.chat import ChatClient, ChatReader

__all__ = ["Answer", "ChatClient", "ChatReader", "EvidenceReader", "Question", "evidence_row", "parse_question"]


def __getattr__(name: str) -> Any:
    """Import what speaks HTTP only when it is asked for: answers without a server should start without it."""
    if name in ("ChatClient", "ChatReader"):
        from placecell.agents import chat

        return getattr(chat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

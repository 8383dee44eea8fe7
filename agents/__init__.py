"""Agents that use a memory: readers that answer questions from it."""

from placecell.agents.answer import Answer, evidence_row
from placecell.agents.questions import Question, parse_question
from placecell.agents.reader import EvidenceReader

__all__ = ["Answer", "EvidenceReader", "Question", "evidence_row", "parse_question"]

"""Answer questions from the records of a memory alone, citing them, and decline where they hold no answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from placecell.agents import seen, timeline
from placecell.agents.answer import Answer
from placecell.agents.choices import clean_choice
from placecell.agents.choosing import choose
from placecell.agents.evidence import MemoryLike, Scope
from placecell.agents.glimpses import Glimpses
from placecell.agents.questions import Question, parse_question, split_choices
from placecell.agents.scene import MappedScene
from placecell.agents.scene_forms import parse_scene_question
from placecell.agents.scene_reader import SceneReader
from placecell.agents.search import Searcher

__all__ = ["Answer", "EvidenceReader"]

_KINDS: dict[str, Callable[[Searcher, Question, Scope], Answer]] = {
    "when": timeline.when,
    "first": timeline.when,
    "last": timeline.when,
    "where": seen.where,
    "how_many": seen.how_many,
    "colour": seen.colour,
    "room": seen.room,
    "order": timeline.order,
    "is_there": seen.is_there,
    "how_long": timeline.how_long,
    "what": seen.what,
}


_HEAD: Final = 64  # a memory whose first records hold no things has no scene


class EvidenceReader:
    """Answers from the memory alone: no language model, no network.

    Where the memory has mapped a scene (observations with depth, camera and pose, and a detector), questions about
    things and rooms are answered from it; all others, and those of a film, from the records.

    Args:
        memory: Where to look.
        threshold: A hit whose probability is below this is no evidence, between 0 and 1.

    Raises:
        ValueError: If `threshold` does not lie between 0 and 1.

    Example:
        >>> reader = EvidenceReader(memory)                                  # doctest: +SKIP
        >>> answer = reader.ask("What colour is the mug?")                   # doctest: +SKIP
        >>> answer.text, [str(hit.record_id) for hit in answer.evidence]     # doctest: +SKIP
        ('red', ['robot/12', 'robot/13'])
    """

    def __init__(self, memory: MemoryLike, threshold: float = 0.5) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
        self._search = Searcher(memory, float(threshold))
        self._scene: tuple[tuple[int, int, float | None], MappedScene] | None = None
        self._glimpses = Glimpses()

    def ask(
        self,
        question: str,
        choices: Sequence[str] | None = None,
        between: tuple[float, float] | None = None,
        agents: Sequence[str] | None = None,
        as_of: float | None = None,
        near: tuple[Sequence[float], float] | None = None,
        labels: Sequence[str] | None = None,
        k: int = 5,
    ) -> Answer:
        """Answer `question`.

        Args:
            question: In English; choices may stand inside it, "A) red B) blue".
            choices: What to choose from; "none of the above" is understood.
            between: Look only at moments in this span, seconds.
            agents: Look only at what these agents saw.
            as_of: Look only at what was recorded up to then (see `Memory.recall`).
            near: Look only at what was seen from within this radius of a point, `((x, y, z), radius_m)`.
            labels: Look only at records with all of these labels.
            k: Most rows of evidence.

        Raises:
            ValueError: If the question is empty, fewer than two choices are given, or `k` is less than 1.
        """
        parsed = parse_question(question)
        if isinstance(choices, str):
            raise ValueError(f"choices must be a sequence of strings, got the string {choices!r}")
        options = tuple(choices) if choices is not None else parsed.choices
        if choices is not None and len(options) < 2:
            raise ValueError(f"choices must hold at least two texts, got {len(options)}")
        parsed = replace(parsed, choices=tuple(clean_choice(option) for option in options))
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        allowed = Scope(
            between,
            None if agents is None else tuple(agents),
            as_of,
            None if near is None else (tuple(float(x) for x in near[0]), float(near[1])),
            None if labels is None else tuple(labels),
        )
        self._search.forget()
        is_whole = allowed == Scope(as_of=as_of) and parsed.at_s is None and parsed.between is None
        if is_whole and (found := self._from_scene(question, options, as_of)) is not None:
            return replace(found, evidence=found.evidence[:k])
        scope = self._search.scope(parsed, allowed)
        answer = _KINDS[parsed.kind](self._search, parsed, scope)
        answer = choose(self._search, parsed, options, answer, scope) if options else answer
        return replace(answer, evidence=answer.evidence[:k])

    def _from_scene(self, question: str, options: Sequence[str], as_of: float | None) -> Answer | None:
        """The answer of the objects and places that the memory has mapped; None where they cannot tell."""
        asked = parse_scene_question(split_choices(question)[0])
        scene = None if asked is None else self._scene_at(as_of)
        return None if asked is None or scene is None else SceneReader(scene, asked, question, options).answer()

    def _scene_at(self, as_of: float | None) -> MappedScene | None:
        """The scene, read anew where it has changed; None where the memory has no things."""
        memory: Any = self._search.memory
        if not hasattr(memory, "objects"):
            return None
        if self._scene is None and not any(record.detections for record in islice(memory.records(), _HEAD)):
            return None  # a film has no scene: its records need not be read
        version = (memory.objects.version, memory.places.version, as_of)
        if self._scene is None or self._scene[0] != version:
            self._scene = version, MappedScene(memory, self._search.look, as_of, self._glimpses)
        return self._scene[1] if self._scene[1].things else None

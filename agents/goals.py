"""Goals of a search: a category, a description of one thing, or a picture of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import numpy as np

from placecell.agents.vocabulary import COLOURS, ROOMS, THINGS, singular
from placecell.perception.vocabulary import GROUPS

__all__ = ["Goal", "Mention", "parse_mention"]

Kind = Literal["category", "description", "image"]

_NAMES: Final = {name: group[0] for group in THINGS for name in group}
_COLOURS: Final = {name: group[0] for group in COLOURS for name in group}
_ROOMS: Final = {name: group[0] for group in ROOMS for name in group}
_RELATIONS: Final = {
    "next to": "near", "close to": "near", "near to": "near", "near": "near", "beside": "near", "by": "near",
    "in front of": "near", "behind": "near", "to the left of": "near", "to the right of": "near",
    "on top of": "on", "on": "on", "under": "near", "underneath": "near", "below": "near", "above": "near",
    "with": "near", "inside": "in", "in": "in", "from": "in", "at": "near", "against": "near",
}  # fmt: skip
_SPLIT: Final = re.compile(r"\b(" + "|".join(sorted(_RELATIONS, key=len, reverse=True)) + r")\b")


@dataclass(frozen=True, slots=True)
class Mention:
    """What a phrase says of one thing.

    Args:
        phrase: The thing's own words: "blue mug".
        names: Categories that it may be, by the first of their synonyms; empty when no known thing is named.
        colour: Its colour, None if none is said.
        room: The kind of room that it is in, None if none is said.
        near: Things that it is near, each with the relation "near", "on" or "in".
    """

    phrase: str
    names: tuple[str, ...] = ()
    colour: str | None = None
    room: str | None = None
    near: tuple[tuple[str, Mention], ...] = ()


def parse_mention(text: str) -> Mention:
    """Read a description of a thing.

    Example:
        >>> mention = parse_mention("the blue cup on the desk in the study")
        >>> mention.names, mention.colour, mention.room, mention.near[0][0], mention.near[0][1].names
        (('mug',), 'blue', 'office', 'on', ('desk',))
    """
    words = " ".join(re.findall(r"[\w'\-]+", text.lower()))
    # "kitchen counter" and the like hold words that mean something else alone: things are found first.
    parts = _SPLIT.split(words)
    head, rest = parts[0].strip(), parts[1:]
    names, colour, phrase = _thing(head)
    room, near = None, []
    for relation, part in zip(rest[::2], rest[1::2], strict=True):
        what = part.strip()
        inner_names, inner_colour, inner_phrase = _thing(what)
        place = _longest(what, _ROOMS)
        if inner_names:
            near.append((_RELATIONS[relation], Mention(inner_phrase, inner_names, inner_colour)))
        elif place is not None:
            room = _ROOMS[place]
        elif inner_phrase:
            near.append((_RELATIONS[relation], Mention(inner_phrase, (), inner_colour)))
    return Mention(phrase, names, colour, room, tuple(near))


def _thing(text: str) -> tuple[tuple[str, ...], str | None, str]:
    """Categories, colour, and the words that name the thing."""
    words = [word for word in text.split() if word not in _FILLERS]
    plain = singular(" ".join(words)) if words else ""
    colour = next((_COLOURS[word] for word in words if word in _COLOURS), None)
    found = _longest(plain, _NAMES) or _longest(plain, GROUPS)
    names: tuple[str, ...] = ()
    if found is not None:
        names = (_NAMES[found],) if found in _NAMES else GROUPS[found]
    return names, colour, plain


_FILLERS: Final = frozenset(
    ("the", "a", "an", "any", "some", "this", "that", "is", "it", "there", "its", "which", "one", "i", "am", "of")
    + ("looking", "for", "find", "me", "go", "to", "please", "located", "standing", "my", "your", "our", "and")
    + ("pair", "pairs")
)


def _longest(text: str, table: Mapping[str, Any]) -> str | None:
    """The longest name of a table that stands in a text as whole words; of equals, the last."""
    padded, best = f" {text} ", None
    for name in table:
        at = padded.rfind(f" {name} ")
        if at >= 0 and (best is None or (len(name), at) > best[0]):
            best = (len(name), at), name
    return None if best is None else best[1]


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """One thing to go to.

    Args:
        kind: "category" (any instance will do), "description" or "image" (exactly one is meant).
        text: The category or the description; for an image optionally what it shows.
        image: uint8 `(h, w, 3)`: a view or a crop with the thing in the middle.
        goal_id: Names the goal in results.

    Raises:
        ValueError: If the kind is unknown, or what it needs is missing or malformed.

    Example:
        >>> Goal.from_text("mug").kind, Goal.from_text("the blue mug in the kitchen").kind
        ('category', 'description')
    """

    kind: Kind
    text: str = ""
    image: np.ndarray | None = None
    goal_id: str = ""
    mention: Mention = field(init=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a goal's kind is category, description or image, got {self.kind!r}")
        text = " ".join(self.text.split())
        object.__setattr__(self, "text", text)
        if self.kind == "image":
            image = self.image
            if image is None or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
                shown = "none" if image is None else f"{image.dtype} {image.shape}"
                raise ValueError(f"an image goal needs a picture, uint8 (h, w, 3), got {shown}")
        elif not text:
            raise ValueError(f"a {self.kind} goal needs words, got an empty text")
        object.__setattr__(self, "mention", parse_mention(text))

    @classmethod
    def from_text(cls, text: str, goal_id: str = "") -> Goal:
        """A goal in words: a bare name ("mug", "the mug") is a category, all else describes one thing."""
        mention = parse_mention(text)
        is_bare = mention.colour is None and mention.room is None and not mention.near
        return cls("category" if is_bare else "description", text, goal_id=goal_id)

    @classmethod
    def from_image(cls, image: np.ndarray | str | Path, goal_id: str = "") -> Goal:
        """A goal by a picture, or by the file of one.

        Raises:
            ValueError: If the file is missing or holds no picture.
        """
        if isinstance(image, np.ndarray):
            return cls("image", image=image, goal_id=goal_id)
        import cv2

        pixels = cv2.imread(str(image), cv2.IMREAD_COLOR) if Path(image).is_file() else None
        if pixels is None:
            raise ValueError(f"no picture could be read from {image}: give a PNG or JPEG file")
        return cls("image", image=np.ascontiguousarray(pixels[..., ::-1]), goal_id=goal_id)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Goal:
        """Read `{"kind", "text", "image" (array or path), "goal_id"}`; without a kind it follows from what is there.

        Raises:
            ValueError: If a field is unknown or of the wrong type.
        """
        unknown = set(row) - {"kind", "text", "image", "goal_id"}
        if unknown:
            raise ValueError(f"a goal holds kind, text, image and goal_id, got {sorted(unknown)}")
        text, image, goal_id = row.get("text", ""), row.get("image"), row.get("goal_id", "")
        if not isinstance(text, str) or not isinstance(goal_id, str):
            raise ValueError("a goal's text and goal_id must be strings")
        if image is not None and not isinstance(image, (np.ndarray, str, Path)):
            raise ValueError(f"a goal's image is an array or the path of a file, got {type(image).__name__}")
        kind = row.get("kind") or ("image" if image is not None else None)
        if kind is None:
            return cls.from_text(text, goal_id)
        if kind not in get_args(Kind):
            raise ValueError(f"a goal's kind is category, description or image, got {kind!r}")
        if kind == "image" and image is not None:
            return cls("image", text, cls.from_image(image).image, goal_id)
        return cls(cast("Kind", kind), text, goal_id=goal_id)

    @property
    def is_unique(self) -> bool:
        """Whether exactly one thing is meant."""
        return self.kind != "category"

    def __str__(self) -> str:
        return f"{self.kind}: {self.text or 'a picture'}"

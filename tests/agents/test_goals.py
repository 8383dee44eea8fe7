from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from placecell.agents.goals import Goal, parse_mention


def test_a_description_is_read_into_thing_colour_room_and_neighbours() -> None:
    mention = parse_mention("find me the red cup that is on top of the white dresser in the lounge")
    assert (mention.names, mention.colour, mention.room) == (("mug",), "red", "living room")
    ((relation, host),) = mention.near
    assert (relation, host.names, host.colour) == ("on", ("dresser",), "white")


@pytest.mark.parametrize(
    ("text", "names", "room"),
    [
        ("the kitchen counter", ("kitchen counter",), None),
        ("toy car next to the bed in the bedroom", ("toy car",), "bedroom"),
        ("a lamp", ("floor lamp", "desk lamp"), None),
        ("a unicorn in the hall", (), "hallway"),
    ],
)
def test_the_longest_known_name_wins(text: str, names: tuple[str, ...], room: str | None) -> None:
    mention = parse_mention(text)
    assert (mention.names, mention.room) == (names, room)


def test_an_unknown_thing_keeps_its_words() -> None:
    assert parse_mention("the purple unicorn").phrase == "purple unicorn"


def test_a_bare_name_is_a_category_and_anything_more_a_description() -> None:
    assert [Goal.from_text(text).kind for text in ("mug", "any mugs", "the blue mug", "mug in the office")] == [
        "category",
        "category",
        "description",
        "description",
    ]


def test_goals_come_from_dicts_with_arrays_or_files(tmp_path: Path) -> None:
    picture = np.full((8, 9, 3), (200, 10, 30), np.uint8)
    cv2.imwrite(str(tmp_path / "goal.png"), picture[..., ::-1])
    for image in (picture, tmp_path / "goal.png", str(tmp_path / "goal.png")):
        goal = Goal.from_dict({"image": image, "goal_id": "g1"})
        assert goal.kind == "image" and goal.is_unique and goal.image is not None
        np.testing.assert_array_equal(goal.image, picture)
    assert Goal.from_dict({"text": "sofa"}).kind == "category"
    assert Goal.from_dict({"kind": "description", "text": "the sofa"}).is_unique


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "  "}, "needs words"),
        ({"kind": "category"}, "needs words"),
        ({"kind": "image"}, "needs a picture"),
        ({"kind": "smell", "text": "coffee"}, "category, description or image"),
        ({"image": np.zeros((4, 4), np.uint8)}, "needs a picture"),
        ({"image": "nowhere.png"}, "no picture could be read"),
        ({"text": "mug", "colour": "red"}, "colour"),
        ({"text": 3}, "must be strings"),
        ({"image": 3}, "array or the path"),
    ],
)
def test_a_malformed_goal_says_what_is_wrong(row: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Goal.from_dict(row)

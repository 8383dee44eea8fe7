"""GOAT-Bench: its own episode files, its rules of what satisfies a task, and its exact scores.

An episode is a sequence of tasks in one scene. A task names an object category, a description, or a picture. The file
of a scene is JSON (or JSON in gzip) with `episodes` and `goals`.

Source: Khanna et al., GOAT-Bench, CVPR 2024, and the episode files that it publishes.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from placecell.benchmarks import bootstrap
from placecell.errors import PlacecellError

__all__ = [
    "MAX_DESCRIPTION_WORDS",
    "MAX_STEPS",
    "SUCCESS_M",
    "GoatEpisode",
    "GoatFileError",
    "GoatGoal",
    "GoatScene",
    "GoatTask",
    "Subtask",
    "load_goat",
    "score_subtasks",
    "spl",
]

MAX_STEPS: Final = 500  # actions per task
SUCCESS_M: Final = 0.25  # to a view point, as the benchmark's configuration has it
MAX_DESCRIPTION_WORDS: Final = 55  # tasks with longer descriptions are left out
KINDS: Final = ("object", "description", "image")


class GoatFileError(PlacecellError):
    """A file is not in GOAT-Bench's format; the message says where."""


@dataclass(frozen=True, slots=True, eq=False)
class GoatGoal:
    """One thing of a scene.

    Args:
        object_category: What it is.
        object_id: Names it in tasks.
        position_m: Its middle, world frame.
        view_points_m: Where an agent can stand to see it, `(n, 3)`.
        children_object_categories: Other categories whose things are of this kind too.
        lang_desc: Its description, None if it has none.
        image_goals: Cameras of its pictures, as the file has them.
    """

    object_category: str
    object_id: str
    position_m: tuple[float, float, float]
    view_points_m: np.ndarray
    children_object_categories: tuple[str, ...]
    lang_desc: str | None
    image_goals: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class GoatTask:
    """One task: `kind` is object, description or image; `object_id` is None for an object task."""

    category: str
    kind: str
    object_id: str | None = None
    image_index: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GoatEpisode:
    """A start and the tasks that follow each other; `start_rotation` is a quaternion (x, y, z, w)."""

    episode_id: str
    scene_id: str
    start_position_m: tuple[float, float, float]
    start_rotation: tuple[float, float, float, float]
    tasks: tuple[GoatTask, ...]

    @property
    def start_yaw_rad(self) -> float:
        """Heading at the start, 0 along -z, positive to the left.

        Example:
            >>> half = math.sqrt(0.5)
            >>> episode = GoatEpisode("0", "s", (0.0, 0.0, 0.0), (0.0, half, 0.0, half), ())
            >>> round(episode.start_yaw_rad / math.pi, 6)
            0.5
        """
        x, y, z, w = self.start_rotation
        # The turned -z axis, then its heading.
        forward_x, forward_z = -2.0 * (x * z + w * y), -(1.0 - 2.0 * (x * x + y * y))
        return math.atan2(-forward_x, -forward_z)


@dataclass(frozen=True, slots=True, eq=False)
class GoatScene:
    """What a file holds."""

    scene: str
    episodes: tuple[GoatEpisode, ...]
    goals: Mapping[str, tuple[GoatGoal, ...]]  # by category

    def goals_of(self, task: GoatTask) -> tuple[GoatGoal, ...]:
        """The things that satisfy a task: for an object every instance, those of child categories included; else one.

        Raises:
            GoatFileError: If the scene has no such thing.
        """
        instances = self.goals.get(task.category, ())
        if task.kind == "object":
            children = {name for goal in instances for name in goal.children_object_categories}
            more = [goal for name in sorted(children - {task.category}) for goal in self.goals.get(name, ())]
            found = (*instances, *more)
        else:
            found = tuple(goal for goal in instances if goal.object_id == task.object_id)[:1]
        if not found:
            wanted = task.category if task.object_id is None else f"{task.category} {task.object_id}"
            raise GoatFileError(f"scene {self.scene} has no goal {wanted!r} of a task of kind {task.kind}")
        return found

    def tasks_of(self, episode: GoatEpisode) -> tuple[GoatTask, ...]:
        """The tasks that count: those with a description of more than 55 words are dropped."""
        kept = []
        for task in episode.tasks:
            if task.kind == "description":
                text = self.goals_of(task)[0].lang_desc
                if text is None or len(text.split()) > MAX_DESCRIPTION_WORDS:
                    continue
            kept.append(task)
        return tuple(kept)

    def view_points(self, task: GoatTask) -> np.ndarray:
        """View points of all that satisfies a task, `(n, 3)`."""
        points = [goal.view_points_m for goal in self.goals_of(task)]
        return np.concatenate(points) if points else np.empty((0, 3))


def load_goat(path: Path) -> GoatScene:
    """Read the file of one scene.

    Raises:
        GoatFileError: If it is missing, or not in the format; the message names the episode, task or goal.
    """
    try:
        data = path.read_bytes()
        content = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except OSError as error:
        raise GoatFileError(f"{path}: could not be read ({error.strerror or error})") from error
    except (ValueError, EOFError, gzip.BadGzipFile) as error:
        raise GoatFileError(f"{path}: expected JSON, {error}") from error
    if not isinstance(content, dict) or not {"episodes", "goals"} <= content.keys():
        raise GoatFileError(f"{path}: expected an object with episodes and goals")
    scene = path.name.removesuffix(".gz").removesuffix(".json")
    goals: dict[str, list[GoatGoal]] = {}
    for key, rows in _field(content, "goals", dict, f"{path}").items():
        if not isinstance(rows, list):
            raise GoatFileError(f"{path}: goals of {key!r} must be a list")
        for number, row in enumerate(rows):
            goal = _goal(row, f"{path}: goal {number} of {key!r}")
            # Keys are `<scene file>_<category>`; the category itself may hold underscores, the goal knows it.
            goals.setdefault(goal.object_category, []).append(goal)
    episodes = [
        _episode(row, f"{path}: episode {number}")
        for number, row in enumerate(_field(content, "episodes", list, f"{path}"))
    ]
    return GoatScene(scene, tuple(episodes), {name: tuple(rows) for name, rows in goals.items()})


def _goal(row: Any, where: str) -> GoatGoal:
    views = _field(row, "view_points", list, where)
    points = [
        _numbers(
            _field(_field(view, "agent_state", dict, f"{where}: view point {i}"), "position", list, where), 3, where
        )
        for i, view in enumerate(views)
    ]
    text = row.get("lang_desc")
    if text is not None and not isinstance(text, str):
        raise GoatFileError(f"{where}: lang_desc must be a text, got {type(text).__name__}")
    x, y, z = _numbers(_field(row, "position", list, where), 3, where)
    return GoatGoal(
        _field(row, "object_category", str, where),
        str(_field(row, "object_id", (str, int), where)),
        (x, y, z),
        np.array(points, float).reshape(-1, 3),
        tuple(str(name) for name in row.get("children_object_categories") or ()),
        text,
        tuple(row.get("image_goals") or ()),
    )


def _episode(row: Any, where: str) -> GoatEpisode:
    x, y, z = _numbers(_field(row, "start_position", list, where), 3, where)
    a, b, c, d = _numbers(_field(row, "start_rotation", list, where), 4, where)
    tasks = [_task(task, f"{where}: task {i}") for i, task in enumerate(_field(row, "tasks", list, where))]
    return GoatEpisode(
        str(_field(row, "episode_id", (str, int), where)),
        str(_field(row, "scene_id", str, where)),
        (x, y, z),
        (a, b, c, d),
        tuple(tasks),
    )


def _task(row: Any, where: str) -> GoatTask:
    if not isinstance(row, list) or not 2 <= len(row) <= 4 or not all(isinstance(part, str) for part in row[:2]):
        raise GoatFileError(f"{where}: expected [category, kind, instance, image], got {json.dumps(row)[:80]}")
    category, kind = row[:2]
    if kind not in KINDS:
        raise GoatFileError(f"{where}: the kind must be {', '.join(KINDS)}, got {kind!r}")
    instance = row[2] if len(row) > 2 else None
    if kind != "object" and instance is None:
        raise GoatFileError(f"{where}: a task of kind {kind} must name its instance")
    index = row[3] if len(row) > 3 else None
    if index is not None and type(index) is not int:
        raise GoatFileError(f"{where}: the number of the picture must be whole, got {index!r}")
    return GoatTask(category, kind, None if kind == "object" or instance is None else str(instance), index)


def _field(row: Any, name: str, kind: Any, where: str) -> Any:
    if not isinstance(row, dict) or name not in row:
        raise GoatFileError(f"{where}: the field {name} is missing")
    if not isinstance(row[name], kind):
        raise GoatFileError(f"{where}: {name} is of the wrong type, {type(row[name]).__name__}")
    return row[name]


def _numbers(values: Any, count: int, where: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count or not all(type(v) in (int, float) for v in values):
        raise GoatFileError(f"{where}: expected {count} numbers, got {json.dumps(values)[:60]}")
    if not all(math.isfinite(v) for v in values):
        raise GoatFileError(f"{where}: numbers must be finite")
    return [float(v) for v in values]


# --- scores ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Subtask:
    """Follows one task as the benchmark does: the way walked, the distance before the stop, the budget.

    Args:
        shortest_m: Geodesic distance to the goal when the task begins; the l of SPL.
        max_steps: Actions that are allowed, STOP included.
        success_m: Success is a stop strictly nearer than this.

    Example:
        >>> task = Subtask(shortest_m=2.0)
        >>> for x in (0.0, 0.25, 0.5):
        ...     task.walk((x, 0.0, 0.0), 2.0 - x)
        >>> task.stop()
        >>> task.is_success, task.path_m, task.num_steps
        (False, 0.5, 3)
    """

    shortest_m: float
    max_steps: int = MAX_STEPS
    success_m: float = SUCCESS_M
    path_m: float = 0.0
    num_steps: int = 0
    distance_m: float = math.inf
    has_stopped: bool = False
    _at: tuple[float, float, float] | None = None

    def walk(self, position_m: Sequence[float] | np.ndarray, distance_m: float) -> None:
        """Note where the agent is after an action (the first time: where it begins), and how far the goal is now."""
        x, y, z = (float(v) for v in position_m)
        if self._at is not None:
            self.path_m += math.dist(self._at, (x, y, z))
            self.num_steps += 1
        self._at, self.distance_m = (x, y, z), distance_m

    def stop(self) -> None:
        """The agent says that it is there. What counts is the distance before this action, which moves nothing."""
        self.num_steps += 1
        self.has_stopped = True

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be done."""
        return self.has_stopped or self.num_steps >= self.max_steps

    @property
    def is_success(self) -> bool:
        """Whether it stopped in time, near enough."""
        return self.has_stopped and self.num_steps <= self.max_steps and self.distance_m < self.success_m

    @property
    def spl(self) -> float:
        """Success weighted by path length."""
        return spl(self.is_success, self.shortest_m, self.path_m)


def spl(is_success: bool, shortest_m: float, path_m: float) -> float:
    """S l / max(l, p): success weighted by path length, in [0, 1].

    Where the agent began at the goal and did not move (0/0) it is 1.

    Example:
        >>> spl(True, 2.0, 4.0), spl(True, 2.0, 1.5), spl(False, 2.0, 2.0)
        (0.5, 1.0, 0.0)

    Source: Anderson et al. 2018, On Evaluation of Embodied Navigation Agents.
    """
    if not is_success:
        return 0.0
    longest = max(shortest_m, path_m)
    return 1.0 if longest == 0 else shortest_m / longest


def score_subtasks(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Success and SPL as means over tasks, by kind and over all, with 95 % intervals over scenes.

    Args:
        rows: One per task: `scene`, `kind`, `success` and `spl`.
    """
    result = {}
    for kind in ("all", *sorted({str(row["kind"]) for row in rows})):
        part = [row for row in rows if kind in ("all", row["kind"])]
        scenes = [str(row["scene"]) for row in part]
        result[kind] = {
            "num_tasks": len(part),
            "success": bootstrap.mean(scenes, [float(row["success"]) for row in part]),
            "spl": bootstrap.mean(scenes, [float(row["spl"]) for row in part]),
        }
    return result

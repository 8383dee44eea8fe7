"""Maps that are put away: the same as those folded from the log, never trusted beyond it, and harmless."""

import json
import os
import pickle
import zlib
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from placecell import Memory, Observation
from placecell.geometry import Camera, pose_from
from placecell.memory.keeping import keep, kept, told
from placecell.memory.objects import ObjectMap
from placecell.memory.testing import HashEncoder
from placecell.perception.detection import Detection

CAMERA = Camera.from_degrees(32, 32, 90.0)
NUM = 80
FLOOR_M = np.full((32, 32), 9.0, np.float32)  # how far the floor is, 0.9 m below the camera
FLOOR_M[16:] = (0.9 / ((np.arange(16) + 0.5) / 16))[:, None]


def views(count: int, start: int = 0) -> list[Observation]:
    """A robot that turns in a room with a chest and a lamp, which is carried away half way."""
    found = []
    for i in range(start, start + count):
        pose = pose_from(np.array([0.02 * i, 0.9, 0.0]), 0.15 * i)
        depth = np.minimum(2.0 + 0.01 * (i % 7), FLOOR_M)
        x, z = 0.02 * i - 1.5 * float(np.sin(0.15 * i)), -1.5 * float(np.cos(0.15 * i))
        low, high, middle = (x - 0.2, 0.2, z - 0.2), (x + 0.2, 0.9, z + 0.2), (x, 0.5, z)
        name = ("chest", "lamp", "mug")[(i // 7) % 3]
        thing = Detection((0.3, 0.3, 0.7, 0.7), 90, low, high, middle, labels=((name, 0.9),), confidence=0.9)
        found.append(Observation(stamp_s=float(i), agent_id="robot", depth_m=depth, camera=CAMERA, pose=pose,
                                 embeddings=np.eye(64, dtype=np.float32)[i % 64 : i % 64 + 1],
                                 detections=(thing,) if i % 3 else ()))  # fmt: skip
    return found


def answers(memory: Memory) -> object:
    floors = [(f.height_m, f.origin_m, f.free.tobytes(), f.occupied.tobytes()) for f in memory.places.floors]
    things = [tuple(v for v in astuple(thing) if not isinstance(v, np.ndarray)) for thing in memory.objects.objects()]
    frontiers = [(f.frontier_id, f.position_m, f.size_m) for f in memory.places.frontiers()]
    return things, floors, frontiers, memory.facts.facts(), memory.objects.changes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(views(NUM))
        assert memory.objects.objects() and memory.places.floors
    return tmp_path / "m"


def refolded(folder: Path) -> object:
    """What a fold of the log alone gives."""
    with Memory(HashEncoder()) as memory, Memory.open(folder, HashEncoder(), mode="r") as source:
        memory.merge(source.delta({}))
        return answers(memory)


def test_maps_that_were_put_away_are_those_of_the_log_and_go_on_as_if_never_closed(folder: Path) -> None:
    assert told(folder / "scene" / "objects") is not None and told(folder / "scene" / "places") is not None
    with Memory.open(folder, HashEncoder(), mode="r") as memory:
        assert answers(memory) == refolded(folder)
    with Memory.open(folder, HashEncoder()) as memory:
        memory.observe_many(views(40, NUM))
        assert answers(memory) == refolded(folder)
        memory.retract(memory.objects.objects()[0].sightings[0].record_id)
    with Memory.open(folder, HashEncoder(), mode="r") as memory:
        assert answers(memory) == refolded(folder)


def test_a_map_on_which_ways_were_planned_is_put_away_too(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(views(NUM))
        area = memory.places.pathfinder(0.1, optimistic=True).navigable_area
    assert told(tmp_path / "m" / "scene" / "places") is not None
    with Memory.open(tmp_path / "m", HashEncoder(), mode="r") as memory:
        assert memory.places.pathfinder(0.1, optimistic=True).navigable_area == area > 0


@pytest.mark.parametrize("damage", ["cut", "flip", "other code", "of more records", "empty", "no header"])
def test_what_is_damaged_or_of_another_time_is_folded_from_the_log(folder: Path, damage: str) -> None:
    expected = refolded(folder)
    for path in ((folder / "scene" / "objects"), (folder / "scene" / "places")):
        magic, header, packed = path.read_bytes().split(b"\n", 2)
        values = json.loads(header)
        if damage == "cut":
            packed = packed[:-20]
        elif damage == "flip":
            packed = packed[:100] + bytes([packed[100] ^ 1]) + packed[101:]
        elif damage == "other code":
            values["code"] += 1
        elif damage == "of more records":
            values["folded"]["robot"][0] += 5
        whole = b"\n".join([magic, json.dumps(values).encode(), packed])
        path.write_bytes({"empty": b"", "no header": magic + b"\n{}\n"}.get(damage, whole))
    with Memory.open(folder, HashEncoder(), mode="r") as memory:
        assert answers(memory) == expected


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_file_cannot_make_anything_happen(folder: Path, tmp_path: Path) -> None:
    expected, trap = refolded(folder), tmp_path / "trap"
    path = folder / "scene" / "objects"
    magic, header, _ = path.read_bytes().split(b"\n", 2)
    packed = zlib.compress(pickle.dumps([_Trap(trap)]))
    values = json.loads(header) | {"crc": zlib.crc32(packed)}
    path.write_bytes(b"\n".join([magic, json.dumps(values).encode(), packed]))
    with pytest.raises(pickle.UnpicklingError, match="may not hold"):
        kept(path)
    with Memory.open(folder, HashEncoder(), mode="r") as memory:
        assert answers(memory) == expected
    assert not trap.exists()


def test_what_cannot_be_read_back_or_is_too_large_is_not_written(tmp_path: Path) -> None:
    assert not keep(tmp_path / "a", _Trap(tmp_path / "trap"), {})
    assert not keep(tmp_path / "b", ObjectMap(), {}, max_bytes=10)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "c.999").write_bytes(b"left by a process that was killed")
    assert keep(tmp_path / "c", ObjectMap(), {"folded": {}})
    assert [path.name for path in tmp_path.iterdir()] == ["c"] and isinstance(kept(tmp_path / "c"), ObjectMap)


def test_maps_of_scans_that_were_dropped_are_folded_anew_and_a_cap_is_kept(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m", HashEncoder()) as memory:
        memory.observe_many(views(NUM))
        assert memory.places.floors
        memory.flush()
        assert (tmp_path / "m" / "scene").exists()
        memory.forget(memory.nbytes() - 50_000)
        assert not (tmp_path / "m" / "scene").exists()
    with Memory.open(tmp_path / "m", HashEncoder(), max_bytes=1 << 20) as memory:
        memory.observe_many(views(40, NUM))
        assert answers(memory)
    assert sum(path.stat().st_size for path in (tmp_path / "m").rglob("*") if path.is_file()) <= 1 << 20

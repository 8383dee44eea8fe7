from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placecell.geometry import pose_from
from placecell.memory.budget import Gate
from placecell.memory.memory import Memory
from placecell.memory.revisits import RevisitGate
from placecell.perception.observation import Observation

VIEW = np.eye(4, dtype=np.float32)


def look(stamp_s: float, x: float = 0.1, yaw_rad: float = 0.0, view: int = 0, agent_id: str = "robot") -> Observation:
    pose = pose_from(np.array([x, 0.9, 0.1]), yaw_rad)
    return Observation(stamp_s, agent_id, pose=pose, embeddings=VIEW[view : view + 1])


def keeps(gate: RevisitGate, observation: Observation) -> bool:
    assert observation.embeddings is not None
    return gate.keeps(observation, observation.embeddings)


def test_a_new_place_or_heading_or_agent_is_kept() -> None:
    gate = RevisitGate()
    assert isinstance(gate, Gate)
    assert keeps(gate, look(0.0))
    assert not keeps(gate, look(1.0))
    assert keeps(gate, look(2.0, x=0.6))
    assert keeps(gate, look(3.0, yaw_rad=math.pi / 6))
    assert keeps(gate, look(4.0, agent_id="other"))


def test_what_changed_is_kept_at_once_and_soon_looked_at_again() -> None:
    gate = RevisitGate(refresh_s=10.0)
    assert [keeps(gate, look(t)) for t in (0.0, 10.0, 20.0, 30.0)] == [True, True, False, True]
    assert keeps(gate, look(31.0, view=1))
    assert not keeps(gate, look(32.0, view=1))
    assert keeps(gate, look(41.0, view=1))


def test_a_moment_without_a_pose_is_kept() -> None:
    gate = RevisitGate()
    assert all(gate.keeps(Observation(t, embeddings=VIEW[:1]), VIEW[:1]) for t in (0.0, 1.0))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(100, 3000))
def test_a_long_life_in_few_places_keeps_few_looks(num_places: int, num_steps: int) -> None:
    gate = RevisitGate(refresh_s=10.0)
    kept = sum(keeps(gate, look(float(t), x=0.5 * (t % num_places) + 0.1)) for t in range(num_steps))
    assert kept <= num_places * (2 + math.log2(1 + num_steps / 10.0))


def test_a_memory_behind_the_gate_stays_small_and_goes_on_after_it_is_opened_again() -> None:
    memory = Memory(gate=RevisitGate())
    for step in range(50):
        memory.observe(look(0.5 * step, x=0.5 * (step % 5) + 0.1))
    assert len(memory) == 5
    gate = RevisitGate()
    gate.learn(memory.records())
    assert not keeps(gate, look(25.0))


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RevisitGate(cell_m=0.0)

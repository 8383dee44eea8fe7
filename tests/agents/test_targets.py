from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placecell.agents.cooperation import Style
from placecell.agents.crew import AGREED, make_crew
from placecell.agents.targets import Targets

pytest.importorskip("crafter", reason="needs the [team] extra")
pytest.importorskip("pettingzoo", reason="needs the [team] extra")
pytest.importorskip("cryptography", reason="needs the [team] extra")

from placecell.envs import crafter  # noqa: E402

TERSE = Style(thrifty=True, fetches_alone=True, terse=True, sectors=True)


@pytest.fixture
def crew():
    env = crafter.CrafterTeamEnv(3, replace(crafter.PRESETS["peaceful"], length=5))
    crew = make_crew(env.possible_agents, TERSE, shares=True, policy=AGREED)
    crew.act(0, env.reset(seed=1004)[0])
    return crew


def share(agent):
    return Targets(agent.name, agent.sharing, agent.mates, TERSE).share_of_the_world(agent.now, agent.common)


def test_each_cell_is_somebodys_to_look_at(crew):
    own = [share(agent) == 1.0 for agent in crew.agents.values()]
    assert np.any(own, 0).mean() > 0.95 and np.sum(own, 0).mean() < 1.05  # starts lie a cell apart
    assert all(0.2 < part.mean() < 0.5 for part in own)


def test_the_others_parts_are_worth_more_as_its_own_has_been_seen(crew):
    agent = crew.agents["player_0"]
    before = share(agent)
    own = before == 1.0
    assert before[~own].max() < 0.21
    agent.common.told |= own & (np.arange(64) < 32)  # half of it
    halfway = share(agent)
    agent.common.told |= own
    assert (share(agent) == 1.0).all()
    assert (halfway[own] == 1.0).all() and 0.3 < halfway[~own].max() == halfway[~own].min() < 0.6

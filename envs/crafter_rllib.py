"""The teams of Crafter for RLlib, which learns policies on Ray.

RLlib's own wrapper for PettingZoo orders agents as a set does and, where some die and the others run out of time in one
step, says neither that the episode is terminated nor that it is truncated; so this is one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from placecell.envs.crafter import CrafterTeamEnv
from placecell.errors import MissingDependencyError

__all__ = ["rllib_env"]


def rllib_env(config: Mapping[str, Any] | None = None) -> Any:
    """A `MultiAgentEnv` of RLlib around a `CrafterTeamEnv`; `config` holds the latter's arguments.

    Raises:
        MissingDependencyError: If RLlib is not installed.

    Example:
        >>> env = rllib_env({"num_agents": 3, "rules": "peaceful"})                     # doctest: +SKIP
        >>> AlgorithmConfig().environment(rllib_env, env_config={"num_agents": 3})      # doctest: +SKIP
    """
    try:
        from ray.rllib.env.multi_agent_env import MultiAgentEnv
    except ImportError as error:
        raise MissingDependencyError("rllib_env needs RLlib: pip install 'ray[rllib]'") from error

    class CrafterMultiAgentEnv(MultiAgentEnv):  # type: ignore[misc]
        def __init__(self, env: CrafterTeamEnv) -> None:
            super().__init__()
            self.env = env
            self.possible_agents = list(env.possible_agents)
            self.agents = list(env.possible_agents)
            self.observation_spaces = dict(env.observation_spaces)
            self.action_spaces = dict(env.action_spaces)

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
            observations, infos = self.env.reset(seed=seed, options=options)
            self.agents = list(self.env.agents)
            return observations, infos

        def step(self, actions: Mapping[str, int]) -> tuple[Any, ...]:
            observations, rewards, terminated, truncated, infos = self.env.step(actions)
            self.agents = list(self.env.agents)
            is_over, is_late = not self.agents, any(truncated.values())
            terminated = {**terminated, "__all__": is_over and not is_late}
            truncated = {**truncated, "__all__": is_over and is_late}
            return observations, rewards, terminated, truncated, infos

        def render(self) -> Any:
            return self.env.render()

        def close(self) -> None:
            self.env.close()

    return CrafterMultiAgentEnv(CrafterTeamEnv(**dict(config or {})))

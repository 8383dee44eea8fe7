"""The teams of Crafter for RLlib, which learns policies on Ray."""

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
        from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
    except ImportError as error:
        raise MissingDependencyError("rllib_env needs RLlib: pip install 'ray[rllib]'") from error
    return ParallelPettingZooEnv(CrafterTeamEnv(**dict(config or {})))

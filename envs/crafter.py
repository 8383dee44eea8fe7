"""Crafter for teams: players who share one world, each with a small view of it, as a PettingZoo environment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from crafter import constants
from gymnasium import spaces
from pettingzoo import ParallelEnv

from placecell.envs.crafter_balance import balance
from placecell.envs.crafter_pictures import drawn_map, drawn_view
from placecell.envs.crafter_rules import PRESETS, Rules
from placecell.envs.crafter_world import (
    CHUNK,
    CREATURES,
    MATERIALS,
    STACKED,
    Cell,
    Cow,
    OrderedWorld,
    Player,
    Skeleton,
    Zombie,
    fresh_world,
)

__all__ = ["ACTIONS", "CREATURES", "GIFTS", "ITEMS", "MATERIALS", "MILESTONES", "PRESETS", "CrafterTeamEnv", "Rules"]

ITEMS: Final = tuple(constants.items)
GIFTS: Final = tuple(STACKED)
ACTIONS: Final = (*constants.actions, *(f"give_{item}" for item in GIFTS))
#: On the way to the diamond, in the order in which DAMCS reports them.
MILESTONES: Final = (
    "collect_wood", "place_table", "make_wood_pickaxe", "collect_stone", "make_stone_pickaxe", "collect_iron",
    "collect_coal", "place_furnace", "make_iron_pickaxe", "collect_diamond",
)  # fmt: skip
_REACH: Final = 18  # objects live within this distance of a player: twice the view of 9
_BALANCE_EVERY: Final = 10
_RIPE: Final = CREATURES.index("ripe plant")


class CrafterTeamEnv(ParallelEnv[str, dict[str, np.ndarray], int]):  # type: ignore[misc]
    """Players `player_0`, `player_1`, ... who share one world of Crafter.

    Each sees `materials` (uint8, the cells of its view, 0 outside the map), `creatures` (uint8, numbers of `CREATURES`,
    players from there on), `inventory` (int32, in the order of `ITEMS`), `position` and `facing` (int32 x right, y
    down), `daylight` (float32 0-1) and `sleeping` (int8). Rows of a view run along x, as Crafter's do. With
    `pictures`, also `rgb`, Crafter's own drawing.

    Actions are numbers of `ACTIONS`: Crafter's 17, then `give_ITEM` to the player in front; where items can be shared
    at any distance, the same block follows once for every player (see `action`).

    The reward is Crafter's: 1 for the first time that this player achieves something, 0.1 for a point of health.
    `info` holds `achievements` (counts), `unlocked` (of this step), `gave` (item and receiver, if any). The same seed
    and actions give the same episode in any process.

    `state()` is the whole map: privileged.

    Args:
        num_agents: Players.
        rules: What holds, or the name of a preset.
        area: Cells of the map.
        pictures: Whether observations hold `rgb`.
        picture_px: Height and width of the pictures.
        require_diamond: Skip worlds in which nobody can get a diamond when a seed is drawn; `reset` says how many in
            `infos`.

    Example:
        >>> env = CrafterTeamEnv(2, "peaceful")
        >>> observations, infos = env.reset(seed=1)
        >>> observations["player_0"]["materials"].shape, int(env.action_space("player_0").n)
        ((9, 7), 29)

    Source: Hafner 2021 (Crafter); for teams Yang et al. 2025 (arXiv 2502.05453).
    """

    metadata = {"name": "placecell_crafter_v0", "render_modes": ["rgb_array"], "is_parallelizable": True}

    def __init__(
        self,
        num_agents: int = 2,
        rules: Rules | str = "strict",
        *,
        area: tuple[int, int] = (64, 64),
        pictures: bool = False,
        picture_px: int = 144,
        render_mode: str | None = None,
        require_diamond: bool = True,
    ) -> None:
        if not 1 <= num_agents <= 100:
            raise ValueError(f"num_agents must lie between 1 and 100, got {num_agents}")
        if isinstance(rules, str):
            if rules not in PRESETS:
                raise ValueError(f"rules must be one of {sorted(PRESETS)} or Rules(...), got {rules!r}")
            rules = PRESETS[rules]
        if min(area) < 16:
            raise ValueError(f"area must be at least 16 cells each way, got {area}")
        self.rules, self.area, self.pictures, self.picture_px = rules, area, pictures, picture_px
        self.render_mode, self.require_diamond = render_mode, require_diamond
        self.possible_agents = [f"player_{i}" for i in range(num_agents)]
        self.agents: list[str] = []
        self.world = OrderedWorld(area, constants.materials, CHUNK)
        self.players: list[Player] = []
        self.num_steps, self.world_seed = 0, 0
        self._unlocked: dict[str, set[str]] = {}
        self._health: dict[str, int] = {}
        self._rng = np.random.default_rng()
        view = area if rules.view is None else rules.view
        num_actions = len(constants.actions) + (0 if rules.sharing is None else len(GIFTS))
        num_actions += len(GIFTS) * num_agents if rules.sharing == "anywhere" else 0
        seen: dict[str, spaces.Space[Any]] = {
            "materials": spaces.Box(0, len(MATERIALS) - 1, view, np.uint8),
            "creatures": spaces.Box(0, len(CREATURES) + num_agents - 1, view, np.uint8),
            "inventory": spaces.Box(0, max(9, rules.stack_cap), (len(ITEMS),), np.int32),
            "position": spaces.Box(0, max(area), (2,), np.int32),
            "facing": spaces.Box(-1, 1, (2,), np.int32),
            "daylight": spaces.Box(0.0, 1.0, (1,), np.float32),
            "sleeping": spaces.Box(0, 1, (1,), np.int8),
        }
        if pictures:
            seen["rgb"] = spaces.Box(0, 255, (picture_px, picture_px, 3), np.uint8)
        self.observation_spaces = {name: spaces.Dict(seen) for name in self.possible_agents}
        self.action_spaces = {name: spaces.Discrete(num_actions) for name in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Of one player; the same object at every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Of one player; the same object at every call."""
        return self.action_spaces[agent]

    def action(self, name: str, to: str | None = None) -> int:
        """Number of an action; `to` names the receiver where items are shared at any distance.

        Raises:
            ValueError: If there is no such action under these rules.
        """
        if name not in ACTIONS or (name.startswith("give_") and self.rules.sharing is None):
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}; got {name!r}")
        number = ACTIONS.index(name)
        if to is None:
            return number
        if self.rules.sharing != "anywhere" or not name.startswith("give_") or to not in self.possible_agents:
            raise ValueError(f"{name!r} cannot be done to {to!r} under these rules")
        return number + len(GIFTS) * (1 + self.possible_agents.index(to))

    # --- episodes -----------------------------------------------------------------------------------------------

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, Any]]]:
        """Make the world of a seed (or of one drawn) and put the players in a ring around its middle."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.world_seed, skipped = (seed if seed is not None else int(self._rng.integers(2**31 - 1))), 0
        fresh = fresh_world(self.world_seed, self.area)
        while self.require_diamond and not fresh.has_diamond():
            self.world_seed, skipped = int(self._rng.integers(2**31 - 1)), skipped + 1
            fresh = fresh_world(self.world_seed, self.area)
        world = self.world
        world.reset(self.world_seed)
        world._mat_map[:] = fresh.materials
        taken = {(x, y) for _, x, y in fresh.creatures}
        self.players = []
        for name, pos in zip(self.possible_agents, self._starts(taken), strict=True):
            player = Player(world, pos, name, self.rules)
            self.players.append(player)
            world.add(player)
        for kind, x, y in fresh.creatures:
            if world._obj_map[x, y] == 0:
                self._spawn(kind, (x, y))
        world.random.set_state(fresh.state)
        self.agents, self.num_steps = list(self.possible_agents), 0
        self._unlocked = {name: set() for name in self.agents}
        self._health = {player.name: player.health for player in self.players}
        self._set_light()
        infos = {player.name: self._info(player, set(), None) | {"skipped_worlds": skipped} for player in self.players}
        return {player.name: self._observe(player) for player in self.players}, infos

    def _starts(self, taken: set[tuple[int, int]]) -> list[tuple[int, int]]:
        """Free cells nearest to the middle of the map, the middle first."""
        middle = (self.area[0] // 2, self.area[1] // 2)
        cells = [(x, y) for x in range(self.area[0]) for y in range(self.area[1])]
        cells.sort(key=lambda cell: (abs(cell[0] - middle[0]) + abs(cell[1] - middle[1]), cell))
        free = [c for c in cells if self.world[c][0] in constants.walkable and c not in taken]
        return free[: len(self.possible_agents)]

    def _spawn(self, kind: str, pos: Cell) -> None:
        if kind == "Cow":
            self.world.add(Cow(self.world, pos))
        elif self.rules.monsters:
            self.world.add({"Zombie": Zombie, "Skeleton": Skeleton}[kind](self.world, pos, self.players))

    def step(
        self, actions: Mapping[str, int | np.integer[Any]]
    ) -> tuple[
        dict[str, dict[str, np.ndarray]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Let every living player act, in the order of their names, then the world.

        Raises:
            RuntimeError: If the episode has not begun or is over.
            ValueError: If an action is no number of the space, or names nobody who acts.
        """
        if not self.agents:
            raise RuntimeError("call reset() first: the episode has not begun or is over")
        unknown = set(actions) - set(self.possible_agents)
        if unknown:
            raise ValueError(f"actions are for {self.agents}, got one for {sorted(unknown)}")
        self.num_steps += 1
        self._set_light()
        living = [player for player in self.players if not player.removed]
        gifts: dict[str, tuple[str, str] | None] = {}
        for player in living:
            gifts[player.name] = self._order(player, int(actions.get(player.name, 0)))
        for thing in self.world.within(_REACH, [player.pos.tolist() for player in living]):
            thing.update()
        if self.num_steps % _BALANCE_EVERY == 0:
            balance(self.world, self.players, self.rules.monsters, self._spawn)
        return self._results(living, gifts)

    def _order(self, player: Player, number: int) -> tuple[str, str] | None:
        """Tell a player what to do; a gift is handed over at once, and said."""
        if not 0 <= number < self.action_spaces[player.name].n:
            raise ValueError(f"an action is a number below {self.action_spaces[player.name].n}, got {number}")
        player.action = "noop"
        if number < len(constants.actions):
            player.action = constants.actions[number]
            return None
        block, item = divmod(number - len(constants.actions), len(GIFTS))
        if player.sleeping:
            return None
        other = self.world[player.target][1] if block == 0 else self.players[block - 1]
        if isinstance(other, Player) and other is not player and player.give(GIFTS[item], other):
            return GIFTS[item], other.name
        return None

    def _set_light(self) -> None:
        progress = (self.num_steps / 300) % 1 + 0.3
        self.world.daylight = 1 - abs(math.cos(math.pi * progress)) ** 3 if self.rules.night else 1.0

    def _results(self, living: Sequence[Player], gifts: Mapping[str, tuple[str, str] | None]) -> tuple[Any, ...]:
        rewards, infos, terminations = {}, {}, {}
        has_diamond = False
        for player in living:
            known = self._unlocked[player.name]
            new = {name for name, count in player.achievements.items() if count and name not in known}
            known |= new
            has_diamond |= "collect_diamond" in new
            rewards[player.name] = len(new) + (player.health - self._health[player.name]) / 10
            self._health[player.name] = player.health
            infos[player.name] = self._info(player, new, gifts[player.name])
            terminations[player.name] = player.health <= 0
        if has_diamond and self.rules.ends_with_diamond:
            terminations = dict.fromkeys(terminations, True)
        is_late = self.num_steps >= self.rules.length
        truncations = {name: is_late and not over for name, over in terminations.items()}
        self._kinds()
        observations = {player.name: self._observe(player) for player in living}
        for player in living:
            if player.health <= 0:
                self.world.remove(player)
        self.agents = [name for name in self.agents if not (terminations[name] or truncations[name])]
        return observations, rewards, terminations, truncations, infos

    def _info(self, player: Player, unlocked: set[str], gave: tuple[str, str] | None) -> dict[str, Any]:
        return {"achievements": dict(player.achievements), "unlocked": sorted(unlocked), "gave": gave}

    # --- seeing -------------------------------------------------------------------------------------------------

    def _observe(self, player: Player) -> dict[str, np.ndarray]:
        x, y = int(player.pos[0]), int(player.pos[1])
        seen = {
            "materials": self._window(self.world._mat_map, x, y),
            "creatures": self._window(self.world.kinds, x, y),
            "inventory": np.fromiter(player.inventory.values(), np.int32, len(ITEMS)),
            "position": np.array((x, y), np.int32),
            "facing": np.array(player.facing, np.int32),
            "daylight": np.array([self.world.daylight], np.float32),
            "sleeping": np.array([player.sleeping], np.int8),
        }
        if self.pictures:
            seen["rgb"] = self.picture(player.name, self.picture_px)
        return seen

    def _window(self, grid: np.ndarray, x: int, y: int) -> np.ndarray:
        if self.rules.view is None:
            return np.asarray(grid.copy())
        w, h = self.rules.view
        out = np.zeros((w, h), np.uint8)
        x0, y0 = x - w // 2, y - h // 2
        a, b = max(x0, 0), max(y0, 0)
        part = grid[a : max(x0 + w, 0), b : max(y0 + h, 0)]
        out[a - x0 : a - x0 + part.shape[0], b - y0 : b - y0 + part.shape[1]] = part
        return out

    def _kinds(self) -> np.ndarray:
        """Numbers of creatures by cell."""
        for plant in self.world.plants:
            if plant.ripe != (self.world.kinds[tuple(plant.pos)] == _RIPE):
                self.world.kinds[tuple(plant.pos)] = _RIPE if plant.ripe else _RIPE - 1
        return self.world.kinds

    def state(self) -> np.ndarray:
        """Materials and creatures of the whole map, uint8 `(2, w, h)`: privileged."""
        return np.stack([self.world._mat_map, self._kinds()])

    # --- pictures -----------------------------------------------------------------------------------------------

    def picture(self, agent: str, size_px: int = 144) -> np.ndarray:
        """What a player sees as Crafter draws it, inventory included, uint8 `(h, w, 3)`.

        Drawing changes nothing: the noise of the night comes from a generator of its own.
        """
        number = self.possible_agents.index(agent)
        seed = (self.num_steps, self.world_seed % 2**32, number)
        return drawn_view(self.world, self.players[number], self.rules.view or self.area, size_px, seed)

    def render(self) -> np.ndarray | None:
        """The whole map, uint8 `(h, w, 3)`; None unless `render_mode` is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        return drawn_map(self.world, (self.num_steps, self.world_seed % 2**32))

    def close(self) -> None:
        """Nothing has to be freed."""

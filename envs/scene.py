"""Any home: an agent with a camera in a mesh that the user brings, and a map of where one can walk in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from placecell.envs.floors import Floor, find_floors
from placecell.envs.meshes import SceneMesh, load_mesh
from placecell.envs.render import Renderer
from placecell.envs.walker import AGENT_RADIUS_M, Walker
from placecell.errors import PlacecellError

__all__ = ["SceneEnv"]


class SceneEnv(Walker):
    """One agent in a scene from a file: the same interface as `HouseEnv`, and no semantics.

    Observations, actions and `info` are those of `Walker`; `semantic` holds the number of the mesh's part, which means
    whatever the file's author meant by it (scans usually are one part or many arbitrary ones).

    `semantic` and `pathfinder` are privileged: no real sensor gives them.

    Args:
        source: A GLB, glTF, OBJ or PLY file, or a `SceneMesh`.
        up: Axis that points up in the file.
        floor: Which storey, 0 for the first of `floors`.
        agent_radius_m: Radius of the disc that must not touch anything.
        agent_height_m: Air that the agent needs above the floor.
        settings: The other arguments of `Walker`, by name: `resolution`, `hfov_deg`, `max_steps`, ...

    Attributes:
        floors: Storeys that were found; see `placecell.envs.floors.find_floors`.
        names: Names of the mesh's parts; a part's id in `semantic` is its place here plus one.
        notes: What of the file could not be used.

    Raises:
        PlacecellError: If the file cannot be read, holds no floor, or the agent fits nowhere.

    Example:
        >>> import tempfile
        >>> from placecell.envs.building import House
        >>> from placecell.envs.export import export_glb
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     env = SceneEnv(export_glb(House.generate(3, 5), Path(folder) / "home.glb"), resolution=(32, 32))
        >>> env.reset(seed=0)[0]["rgb"].shape, [floor.is_covered for floor in env.floors]  # the second is the roof
        ((32, 32, 3), [True, False])
    """

    def __init__(
        self,
        source: str | Path | SceneMesh,
        *,
        up: Literal["y", "z"] = "y",
        floor: int = 0,
        agent_radius_m: float = AGENT_RADIUS_M,
        agent_height_m: float = 1.5,
        **settings: Any,
    ) -> None:
        if agent_radius_m <= 0 or agent_height_m <= 0:
            raise ValueError(
                f"agent_radius_m and agent_height_m must be positive, got {agent_radius_m}, {agent_height_m}"
            )
        scene = source if isinstance(source, SceneMesh) else load_mesh(source, up)
        renderer = Renderer(scene.mesh)
        self.floors: list[Floor] = find_floors(renderer, agent_height_m)
        if not 0 <= floor < len(self.floors):
            heights = ", ".join(f"{i}: {storey.height_m:.1f} m" for i, storey in enumerate(self.floors))
            raise ValueError(f"floor must be one of {heights}; got {floor}")
        self.names, self.notes = scene.names, scene.notes
        finder = self.floors[floor].pathfinder(agent_radius_m)
        if not finder.is_loaded:
            raise PlacecellError(f"an agent of radius {agent_radius_m} m fits nowhere on floor {floor} of this scene")
        super().__init__(renderer, finder, num_ids=len(scene.names) + 1, **settings)

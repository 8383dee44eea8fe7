"""A house as files that other programs load: one GLB, or a scene dataset for Habitat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from placecell.envs.building import House
from placecell.envs.render import PaintedMesh

__all__ = ["export_glb", "export_habitat", "house_scene"]

_STRUCTURE_BELOW = 10  # ids of walls, floors and so on


def export_glb(house: House, path: str | Path) -> Path:
    """Write a house as one GLB, light baked in, one node per thing and one for the shell; returns the path.

    Patterns of floors and walls are a texture inside the file. y is up, -z forward, metres.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(house_scene(house).export(file_type="glb"))
    return path


def house_scene(house: House) -> Any:
    """A house as a `trimesh.Scene`: a geometry per thing, named `ID_category`, and `shell` with `shell_patterned`."""
    return _scene({"shell": _shell(house), **{_name(house, i): _thing(house, i) for i in _ids(house)}})


def export_habitat(house: House, folder: str | Path, name: str | None = None) -> Path:
    """Write a house as stage and objects with the scene dataset that `habitat_sim` loads.

    Each thing is a static object whose `semantic_id` is its id in the house, so that the instance ids of Habitat's
    semantic sensor are those of `HouseEnv`. Load it with `scene_dataset_config_file` set to the returned path and
    `scene_id` to the name.

    Args:
        house: What to write.
        folder: Where; `stages`, `objects`, `scenes` and the config are made in it.
        name: Name of the scene; `house_SEED` by default.

    Returns:
        Path of the `.scene_dataset_config.json`.

    Source: aihabitat.org/docs/habitat-sim/attributesJSON (stage, object, scene instance and dataset configurations).
    """
    folder, name = Path(folder), name or f"house_{house.seed}"
    for part in ("stages", "objects", "scenes"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shared = {"up": [0.0, 1.0, 0.0], "front": [0.0, 0.0, -1.0], "requires_lighting": False}
    _write_glb(folder / "stages" / f"{name}.glb", "shell", _shell(house))
    _write_json(folder / "stages" / f"{name}.stage_config.json", {"render_asset": f"{name}.glb", **shared})
    instances = []
    for object_id in _ids(house):
        template = f"{name}_{_name(house, object_id)}"
        mesh, middle = _thing(house, object_id), house.object(object_id).centre_m
        moved = PaintedMesh((mesh.vertices - middle).astype(np.float32), mesh.faces, mesh.corner_rgb, mesh.face_ids)
        _write_glb(folder / "objects" / f"{template}.glb", template, moved)
        _write_json(
            folder / "objects" / f"{template}.object_config.json",
            {"render_asset": f"{template}.glb", "semantic_id": object_id, "is_collidable": True, **shared},
        )
        instances.append(
            {
                "template_name": template,
                "translation": [round(float(v), 5) for v in middle],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "translation_origin": "asset_local",
                "motion_type": "STATIC",
            }
        )
    _write_json(
        folder / "scenes" / f"{name}.scene_instance.json",
        {
            "stage_instance": {"template_name": name},
            "default_lighting": "no_lights",
            "object_instances": instances,
        },
    )
    config = folder / "placecell.scene_dataset_config.json"
    paths = {kind: {"paths": {".json": [part]}} for kind, part in _KINDS.items()}
    _write_json(config, paths)
    return config


_KINDS = {"stages": "stages", "objects": "objects", "scene_instances": "scenes"}


def _ids(house: House) -> list[int]:
    present = set(np.unique(house.mesh.face_ids).tolist())
    return [thing.id for thing in house.objects if thing.id in present]


def _name(house: House, object_id: int) -> str:
    return f"{object_id}_{house.object(object_id).category.replace(' ', '_')}"


def _shell(house: House) -> PaintedMesh:
    return _picked(house.mesh, house.mesh.face_ids < _STRUCTURE_BELOW)


def _thing(house: House, object_id: int) -> PaintedMesh:
    return _picked(house.mesh, house.mesh.face_ids == object_id)


def _picked(mesh: PaintedMesh, keep: np.ndarray) -> PaintedMesh:
    """Some faces of a mesh, with the vertices that they use."""
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    uv = None if mesh.corner_uv is None else mesh.corner_uv[keep]
    return PaintedMesh(
        mesh.vertices[used],
        faces.reshape(-1, 3).astype(np.int32),
        mesh.corner_rgb[keep],
        mesh.face_ids[keep],
        uv,
        mesh.atlas,
        mesh.texels_per_m,
    )


def _scene(parts: dict[str, PaintedMesh]) -> Any:
    import trimesh

    scene = trimesh.Scene()
    for name, mesh in parts.items():
        patterned = np.zeros(len(mesh.faces), bool)
        if mesh.corner_uv is not None:
            patterned = ~np.isnan(mesh.corner_uv[:, 0, 0])
        if not patterned.all():
            scene.add_geometry(_coloured(_picked(mesh, ~patterned)), geom_name=name, node_name=name)
        if patterned.any():
            name = f"{name}_patterned"
            scene.add_geometry(_textured(_picked(mesh, patterned)), geom_name=name, node_name=name)
    return scene


def _coloured(mesh: PaintedMesh) -> Any:
    """As `trimesh.Trimesh` with a colour per corner, which glTF has where face colours are not known."""
    import trimesh

    rgb = np.clip(mesh.corner_rgb, 0, 255)
    rgba = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255)], axis=2).astype(np.uint8)
    corners, faces = _corners(mesh)
    return trimesh.Trimesh(corners, faces, vertex_colors=rgba.reshape(-1, 4), process=False)


def _textured(mesh: PaintedMesh) -> Any:
    """As `trimesh.Trimesh` with the atlas for its texture."""
    import trimesh
    from PIL import Image

    assert mesh.corner_uv is not None and mesh.atlas is not None
    height, width = mesh.atlas.shape[:2]
    uv = mesh.corner_uv.reshape(-1, 2).astype(np.float64) / (width, height)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(mesh.atlas), baseColorFactor=[255, 255, 255, 255], doubleSided=True
    )
    corners, faces = _corners(mesh)
    visual = trimesh.visual.TextureVisuals(uv=uv * (1, -1) + (0, 1), material=material)
    return trimesh.Trimesh(corners, faces, visual=visual, process=False)


def _corners(mesh: PaintedMesh) -> tuple[np.ndarray, np.ndarray]:
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    return corners, np.arange(len(corners)).reshape(-1, 3)


def _write_glb(path: Path, name: str, mesh: PaintedMesh) -> None:
    path.write_bytes(_scene({name: mesh}).export(file_type="glb"))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

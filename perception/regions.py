"""Things in a picture with depth, without being told what there is: the source that is not privileged.

A small network reads colour and geometry on a coarse grid and says which cells belong to one thing; their groups are
lifted to 3D and named by the encoder. It was trained on rendered houses alone, as the built-in encoder was
(`MODEL_CARD_REGIONS.md` beside its weights).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float32, Float64, Int32, Integer, UInt8

from placecell.errors import ModelUnavailableError
from placecell.geometry import Camera
from placecell.perception.detection import Detection, lift
from placecell.perception.encoders import Encoder, open_encoder
from placecell.perception.networks import open_network
from placecell.perception.objects import CropNamer, check_view
from placecell.perception.onnx_encoder import BUILTIN_DIR
from placecell.perception.region_grid import RegionGrid, features
from placecell.perception.region_groups import NUM_CUES, Groups, group_cells
from placecell.perception.reidentification import Reidentifier

__all__ = ["REGIONS_FILE", "RegionDetector", "Regions"]

REGIONS_FILE: Final = BUILTIN_DIR / "regions.onnx"
_MIN_CELLS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Things of one view, as masks on the grid.

    Args:
        labels: Number of the region of every cell, from 1, largest first; 0 where there is none.
        confidence: Of each region, the chance that it is one whole thing.
        cues: What that is judged by, see `Groups`.
        grid: The view on the grid.
    """

    labels: Int32[np.ndarray, "h w"]
    confidence: Float[np.ndarray, "n"]
    cues: Float32[np.ndarray, "n cues"]
    grid: RegionGrid


class RegionDetector:
    """Class-agnostic regions from RGB-D, named by the encoder. Not privileged.

    Args:
        encoder: Gives vectors of the crops and their names; what `open_encoder("auto")` opens if not given.
        names: What things may be called; the built-in vocabulary if not given.
        threads: Of the network.
        min_confidence: Regions that are less sure are left out.
        max_described: Only so many of the largest regions get a vector and names.
        path: The network; the one that comes with the package if not given.

    Raises:
        ModelUnavailableError: If the network is not there or does not load.

    Example:
        >>> from placecell.envs.house import HouseEnv
        >>> env = HouseEnv(seed=3)
        >>> view, _ = env.reset(seed=4)
        >>> found = RegionDetector(open_encoder("builtin")).detect(view["rgb"], view["depth"], env.camera, view["pose"])
        >>> all(0 <= thing.confidence <= 1 and thing.source == "regions" for thing in found)
        True
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        names: Sequence[str] | None = None,
        threads: int = 1,
        min_confidence: float = 0.25,
        max_described: int = 20,
        path: str | Path | None = None,
    ):
        if threads < 0 or max_described < 0 or not 0 <= min_confidence <= 1:
            raise ValueError(
                "threads and max_described must not be negative and min_confidence must lie between 0 and 1, "
                f"got {threads}, {max_described} and {min_confidence}"
            )
        self.is_privileged = False
        self._namer = CropNamer(open_encoder() if encoder is None else encoder, names)
        self._min_confidence, self._max_described = min_confidence, max_described
        file = REGIONS_FILE if path is None else Path(path)
        card = _read_card(file.with_suffix(".json"))
        self.name = str(card["name"])
        self._weights = np.array(card["confidence"], np.float64)  # the last one is the constant
        self._session = open_network(file, threads)
        self._reidentifier = Reidentifier(threads=threads)

    def detect(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        depth_m: Float[np.ndarray, "h w"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
        instances: Integer[np.ndarray, "h w"] | None = None,
    ) -> list[Detection]:
        """Things in the picture, largest first; see `Detector.detect`. `instances` is not looked at."""
        return list(self.describe(self.regions(rgb, depth_m, camera, pose), rgb).values())

    def describe(self, regions: Regions, rgb: UInt8[np.ndarray, "h w 3"]) -> dict[int, Detection]:
        """Detections of a view's regions by their number, largest first; those that are unsure are left out."""
        grid, scale = regions.grid, rgb.shape[0] * rgb.shape[1] / regions.labels.size
        transform = grid.world_from_heading
        points = grid.points.astype(np.float64) @ transform[:3, :3].T + transform[:3, 3]
        found: dict[int, Detection] = {}
        for number in (np.flatnonzero(regions.confidence >= self._min_confidence) + 1).tolist():
            chance = float(regions.confidence[number - 1])
            thing = lift(regions.labels == number, points, confidence=chance, min_points=_MIN_CELLS, rgb=grid.rgb)
            if thing is not None:
                found[number] = replace(thing, num_px=round(thing.num_px * scale))
        shown = list(found)[: self._max_described]
        size = np.tile((rgb.shape[1], rgb.shape[0]), 2)
        vectors, labels = self._namer(rgb, [(np.array(found[number].box) * size).tolist() for number in shown])
        identities = self._reidentifier(grid, [regions.labels == number for number in shown])
        for number, vector, own, identity in zip(shown, vectors, labels, identities, strict=True):
            found[number] = replace(found[number], embedding=vector.astype(np.float16), labels=own, identity=identity)
        return found

    def regions(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        depth_m: Float[np.ndarray, "h w"],
        camera: Camera,
        pose: Float64[np.ndarray, "4 4"],
    ) -> Regions:
        """Masks of the things in the picture, on the network's grid.

        Raises:
            ValueError: If sizes differ, the picture is not uint8, or the pose is not rigid.
        """
        depth_m, pose = check_view(rgb, depth_m, camera, pose)
        grid = RegionGrid.from_view(rgb, depth_m, camera, pose)
        groups = self._groups(grid)
        margin = groups.cues @ self._weights[:-1] + self._weights[-1]
        return Regions(groups.labels, 1 / (1 + np.exp(-margin)), groups.cues, grid)

    def _groups(self, grid: RegionGrid) -> Groups:
        (output,) = self._session.run(None, {"cells": features(grid)[None]})
        return group_cells(output[0], grid.points, _MIN_CELLS)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        is_whole = len(card["confidence"]) == NUM_CUES + 1 and "name" in card
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(
            f"no region network at {path.with_suffix('.onnx')}: expected it and {path.name} beside it, as "
            f"scripts/train_regions.py writes them ({error})"
        ) from error
    if not is_whole:
        raise ModelUnavailableError(f"{path} is of another version; export the network again")
    return card

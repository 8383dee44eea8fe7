"""To know a thing again elsewhere and from another side: a vector of the thing itself, without what is around it.

The encoder's vector of a crop says what a thing is, for it was trained with words; it shows the surroundings, too, and
two mugs have nearly the same. A small network that reads the thing's own cells alone, in colour and in metres, was
trained on things of rendered houses before and after they were carried elsewhere (`MODEL_CARD_IDENTITY.md` beside its
weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float16, Float32

from placecell.perception.networks import open_network
from placecell.perception.onnx_encoder import BUILTIN_DIR
from placecell.perception.region_grid import RegionGrid

__all__ = ["IDENTITY_FILE", "PATCH_SIDE", "Reidentifier", "patch"]

IDENTITY_FILE: Final = BUILTIN_DIR / "identity.onnx"
PATCH_SIDE: Final = 32
_CHANNELS: Final = 7
_LEAST: Final = 12  # cells with depth
_RIM: Final = 3  # cells around it
_LOW: Final = 2  # percent of its points that lie below its foot
_FAR_M: Final = 2.0
_UNIT_M: Final = 0.3


class Reidentifier:
    """Vectors of things, alike for views of one thing wherever it stands, and longer the more a view shows.

    So vectors of several views are added up, and the cosine of two sums says how likely they are of one thing.

    Args:
        path: The network; the one that comes with the package if not given.
        threads: Of the network.

    Raises:
        ModelUnavailableError: If the network is not there or does not load.

    Example:
        >>> from placecell.envs.house import HouseEnv
        >>> env = HouseEnv(seed=3)
        >>> view, _ = env.reset(seed=4)
        >>> grid = RegionGrid.from_view(view["rgb"], view["depth"], env.camera, view["pose"])
        >>> (vector,) = Reidentifier()(grid, [grid.depth_m < 3])
        >>> vector.shape
        (32,)
    """

    def __init__(self, path: str | Path | None = None, threads: int = 1):
        self._session = open_network(IDENTITY_FILE if path is None else Path(path), threads)

    def __call__(
        self, grid: RegionGrid, masks: Sequence[Bool[np.ndarray, "h w"]]
    ) -> list[Float16[np.ndarray, "32"] | None]:
        """Vectors of the masks; None where too few cells have depth.

        Args:
            grid: The view.
            masks: Cells of each thing.
        """
        patches = [patch(grid, mask) for mask in masks]
        whole = [each for each in patches if each is not None]
        if not whole:
            return [None] * len(patches)
        vectors = iter(self._session.run(None, {"patches": np.stack(whole)})[0].astype(np.float16))
        return [None if each is None else next(vectors) for each in patches]


def patch(grid: RegionGrid, mask: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "7 32 32"] | None:
    """What the network reads of a thing: colour, mask and place of each of its cells; None if too few have depth.

    A square around the thing, resampled. Places are in metres in the frame of the heading, from the middle of the
    thing's points and from its foot: so the network sees how large it is. What is not the thing's is zero.

    Args:
        grid: The view.
        mask: Cells of the thing.
    """
    rows, columns = np.nonzero(mask)
    points = grid.points[rows, columns]
    points = points[np.isfinite(points[:, 0])]
    if len(points) < _LEAST:
        return None
    origin = np.median(points, axis=0)
    origin[1] = np.percentile(points[:, 1], _LOW)
    side = max(np.ptp(rows), np.ptp(columns)) + _RIM
    off = ((np.arange(PATCH_SIDE) + 0.5) / PATCH_SIDE - 0.5) * side
    y, x = (np.rint((where.min() + where.max()) / 2 + off).astype(np.intp) for where in (rows, columns))
    h, w = mask.shape
    cells = np.ix_(y.clip(0, h - 1), x.clip(0, w - 1))
    own = mask[cells] & ((y >= 0) & (y < h))[:, None] & ((x >= 0) & (x < w))
    found = np.zeros((_CHANNELS, PATCH_SIDE, PATCH_SIDE), np.float32)
    found[:3] = (grid.rgb[cells].transpose(2, 0, 1).astype(np.float32) - 128) / 64
    found[3] = 1.0
    found[4:] = np.clip(np.nan_to_num(grid.points[cells] - origin), -_FAR_M, _FAR_M).transpose(2, 0, 1) / _UNIT_M
    return np.asarray(found * own)

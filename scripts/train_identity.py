"""Train the network that knows things again elsewhere, from rendered houses before and after they were rearranged.

python scripts/train_identity.py render --houses 400     # crops of things at two places each
python scripts/train_identity.py train --minutes 40
python scripts/train_identity.py export                  # the network, and its card with figures
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from residual import residual_block, write_onnx

from placecell.envs.catalogue import CATALOGUE
from placecell.envs.house import House, HouseEnv
from placecell.geometry import look_at, pose_from
from placecell.perception.detection import NUM_IDENTITY
from placecell.perception.encoders import open_encoder
from placecell.perception.region_grid import sampled
from placecell.perception.regions import RegionDetector
from placecell.perception.reidentification import IDENTITY_FILE, PATCH_SIDE, patch

FIRST_SEED = 30_000
HELD_OUT = range(91_000, 91_020)  # for the card's figures
NUM_VIEWS = 5  # of each thing at each place
EYE_M = 0.88
LEAST_PX = 60
LEAST_IOU = 0.4  # what is cut worse shows something else
RATE = 2e-3
NUM_PAIRS = 128  # in a step
MOST_VIEWS = 4  # of a thing at a place, in a step
MOST_SHOWN = 6  # when it is judged
COLOURS, METRES = 64.0, 64.0 * 0.3  # from what the network reads to bytes


def rearranged(seed: int) -> tuple[House, House, set[int]] | None:
    """A house, the same with as many things elsewhere as can be, and which; None if it holds too few."""
    house = House.generate(seed)
    for moved in (14, 11, 9, 7, 5, 3):
        try:
            changed, changes = house.relocate(np.random.default_rng([seed, 9]), moved)
        except ValueError:
            continue
        return house, changed, {change.object_id for change in changes}
    return None


def render_house(seed: int, detector: RegionDetector) -> dict[str, np.ndarray] | None:
    """Crops of things as the region network cuts them and as they are, before and after they were moved."""
    found = rearranged(seed)
    if found is None:
        return None
    rng = np.random.default_rng([seed, 77])
    rows = [row for state in (0, 1) for row in _crops(found[state], state, found[2], detector, rng)]
    if not rows:
        return None
    names = ("id", "state", "true", "iou", "movable", "moved", "rgb", "mask", "pts")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _crops(
    house: House, state: int, moved: set[int], detector: RegionDetector, rng: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    env = HouseEnv(house)
    things = {thing.id: thing for thing in house.objects}
    env.pathfinder.seed(int(rng.integers(2**31)))
    points = np.array([env.pathfinder.get_random_navigable_point() for _ in range(150)])
    for number in sorted(moved & set(things)):
        x, _, z = things[number].centre_m
        off = np.hypot(points[:, 0] - x, points[:, 2] - z)
        num_seen = 0
        for at in points[rng.permutation(np.flatnonzero((off > 0.4) & (off < 3.2)))][:14]:
            eye = np.array([at[0], EYE_M, at[2]])
            towards = look_at(eye, np.asarray(things[number].centre_m))
            turn = math.atan2(towards[0, 2], towards[2, 2]) + rng.uniform(-0.5, 0.5)
            pose = pose_from(eye, turn, 0.0 if rng.random() < 0.8 else float(rng.uniform(-0.5, 0.2)))
            rgb, depth, ids = env.render_at(pose)
            if np.count_nonzero(ids == number) < LEAST_PX:
                continue
            cut = detector.regions(rgb, depth, env.camera, pose)
            seen = sampled(ids, cut.labels.shape).astype(np.intp)
            masks = [(cut.labels == region, False) for region in np.flatnonzero(cut.confidence >= 0.25) + 1]
            for mask, is_true in [*masks, (seen == number, True)]:
                if not mask.any():
                    continue
                counts = np.bincount(seen[mask])
                own = int(counts.argmax())
                iou = counts[own] / (np.count_nonzero(mask) + np.count_nonzero(seen == own) - counts[own])
                cells = patch(cut.grid, mask) if own in things and iou >= LEAST_IOU else None
                if cells is not None:
                    is_movable = CATALOGUE[things[own].category].place in ("surface", "floor")
                    yield own, state, is_true, iou, is_movable, own in moved, *_bytes(cells)
            num_seen += 1
            if num_seen == NUM_VIEWS:
                break


def _bytes(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    own = cells.transpose(1, 2, 0)
    rgb = np.rint(own[..., :3] * COLOURS + 128).clip(0, 255).astype(np.uint8)
    return rgb, own[..., 3] > 0, np.rint(own[..., 4:] * METRES).clip(-127, 127).astype(np.int8)


def render(folder: Path, seeds: Sequence[int]) -> None:
    """Crops of houses, a file each; houses that are there already are left alone."""
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    detector = RegionDetector(open_encoder("builtin"))
    for i, seed in enumerate(seeds):
        path = folder / f"{seed}.npz"
        if not path.exists() and (crops := render_house(seed, detector)) is not None:
            partial = folder / f"{seed}.partial"
            with partial.open("wb") as file:
                np.savez(file, **crops)
            partial.rename(path)
        if i % 20 == 19:
            print(f"rendered {i + 1} of {len(seeds)} houses", file=sys.stderr, flush=True)


class Crops:
    """Crops in memory, by thing: those at one place and those at another.

    Args:
        folder: Of `render`.
        seeds: Houses; those that are not there are left out.
    """

    def __init__(self, folder: Path, seeds: Sequence[int]):
        rgb, mask, points, things = [], [], [], dict[tuple[int, int], dict[tuple[int, bool], list[int]]]()
        self._moved = set[tuple[int, int]]()
        first = self.num_houses = 0
        for seed in seeds:
            if not (folder / f"{seed}.npz").exists():
                continue
            with np.load(folder / f"{seed}.npz") as house:
                kept = np.flatnonzero(house["movable"] & (house["iou"] > LEAST_IOU))
                for values, name in ((rgb, "rgb"), (mask, "mask"), (points, "pts")):
                    values.append(house[name][kept])
                columns = [house[name][kept].tolist() for name in ("id", "state", "true", "moved")]
            for i, (own, state, is_true, is_moved) in enumerate(zip(*columns, strict=True), first):
                things.setdefault((seed, own), {}).setdefault((state, bool(is_true)), []).append(i)
                if is_moved:
                    self._moved.add((seed, own))
            first, self.num_houses = first + len(kept), self.num_houses + 1
        self._rgb, self._mask, self._points = (np.concatenate(values) for values in (rgb, mask, points))
        self._things = things
        pairs = {key: list(self._pairs(key)) for key in things}
        self.moved = [key for key in pairs if pairs[key] and key in self._moved]
        self.stayed = [key for key in pairs if pairs[key] and key not in self._moved]
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self._mask)

    def _pairs(self, key: tuple[int, int]) -> Iterator[tuple[list[int], list[int]]]:
        """Views of one thing here and there, as cut by the network, then by perfect masks."""
        for is_true in (False, True):
            here, there = (self._things[key].get((state, is_true), []) for state in (0, 1))
            if key in self._moved and here and there:
                yield here, there
            elif key not in self._moved:
                yield from ((views, views) for views in (here, there) if len(views) >= 4)

    def sample(self, rng: np.random.Generator, key: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """A few views of a thing at one place, and a few others."""
        pairs = self.pairs[key]
        here, there = (np.array(views) for views in pairs[int(rng.integers(len(pairs))) if rng.random() < 0.3 else 0])
        if key not in self._moved:
            order = rng.permutation(here)
            here, there = order[: len(order) // 2], order[len(order) // 2 :]
        k, n = rng.integers(1, MOST_VIEWS + 1, 2)
        return rng.permutation(here)[:k], rng.permutation(there)[:n]

    def picture(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Colours and mask of a crop."""
        return self._rgb[i], self._mask[i]

    def inputs(self, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What the network reads of groups of views (n, 7, h, w), and which group each is of."""
        chosen = np.concatenate(groups)
        mask = self._mask[chosen][..., None].astype(np.float32)
        colour = (self._rgb[chosen].astype(np.float32) - 128) / COLOURS * mask
        cells = np.concatenate([colour, mask, self._points[chosen] / np.float32(METRES)], axis=-1)
        return np.ascontiguousarray(cells.transpose(0, 3, 1, 2)), np.repeat(np.arange(len(groups)), [*map(len, groups)])


def build_network() -> Any:
    """A small residual network: stacks of four cells go in, the mean and the maximum over the thing come out."""
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            widths = ((28, 40, 1), (40, 40, 1), (40, 72, 2), (72, 72, 1), (72, 128, 2), (128, 128, 1))
            self.body = nn.Sequential(nn.PixelUnshuffle(2), *(residual_block(*width) for width in widths))
            self.head = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, NUM_IDENTITY))

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            return self.head(torch.cat([y.mean((2, 3)), y.amax((2, 3))], 1))

    return Network()


def directions(network: Any, cells: np.ndarray, group: np.ndarray, in_half: bool) -> Any:
    """Directions (groups, d) of the sums of the vectors of each group's views."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_half):
        vectors = network(torch.from_numpy(cells).contiguous(memory_format=torch.channels_last)).float()
    sums = torch.zeros(int(group.max()) + 1, vectors.shape[1]).index_add_(0, torch.from_numpy(group), vectors)
    return torch.nn.functional.normalize(sums, dim=1)


def train(args: argparse.Namespace) -> None:
    """Train for so many minutes: views of a thing here are to be told from all others by those of it there.

    Source: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018 (the loss).
    """
    import torch

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    crops, rng = (
        Crops(args.work / "crops", range(FIRST_SEED, FIRST_SEED + args.houses)),
        np.random.default_rng(args.seed),
    )
    print(f"{crops.num_houses} houses, {len(crops)} crops, {len(crops.moved)} things moved", flush=True)
    network = build_network().to(memory_format=torch.channels_last)
    sharpness = torch.nn.Parameter(torch.tensor(2.5))  # logarithm of the scale of the cosines
    optimiser = torch.optim.AdamW([*network.parameters(), sharpness], RATE, weight_decay=1e-3)
    start, step, sums = time.monotonic(), 0, 0.0
    while (progress := (time.monotonic() - start) / (60 * args.minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 100) * (math.cos(math.pi * progress) + 1) / 2 + 1e-5
        keys = [pool[int(rng.integers(len(pool)))] for pool in [crops.moved] * 3 + [crops.stayed]
                for _ in range(NUM_PAIRS // 4)]  # fmt: skip
        here, there = zip(*(crops.sample(rng, key) for key in keys), strict=True)
        cells, groups = crops.inputs([*here, *there])
        if rng.random() < 0.5:
            cells = np.ascontiguousarray(cells[..., ::-1])
            cells[:, 4] *= -1
        if rng.random() < 0.5:
            cells[:, :3] += rng.normal(0, 0.08, cells[:, :3].shape).astype(np.float32) * cells[:, 3:4]
        found = directions(network, cells, groups, in_half=True)
        cosines = found[:NUM_PAIRS] @ found[NUM_PAIRS:].T * sharpness.exp()
        true = torch.arange(NUM_PAIRS)
        loss = sum(torch.nn.functional.cross_entropy(each, true) for each in (cosines, cosines.T)) / 2
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step, sums = step + 1, sums + float(loss.detach())
        if step % 100 == 0:
            print(f"step {step}  {time.monotonic() - start:.0f} s  loss {sums / 100:.3f}", flush=True)
            sums = 0.0
            save(args.checkpoint, network, step, crops)
    save(args.checkpoint, network, step, crops)


def save(path: Path, network: Any, step: int, crops: Crops) -> None:
    import torch

    state = {"network": network.state_dict(), "step": step, "crops": len(crops), "houses": crops.num_houses}
    torch.save(state, path)


def export(checkpoint: Path, folder: Path) -> Path:
    """Write the network as ONNX, its weights in half precision."""
    import torch

    network = build_network()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["network"])
    path = folder / IDENTITY_FILE.name
    write_onnx(network, (1, 7, PATCH_SIDE, PATCH_SIDE), {"patches": {0: "n"}, "identities": {0: "n"}}, path)
    return path


def judge(path: Path, crops: Crops) -> dict[str, str]:
    """How often a moved thing's views there are more like its views here than those of all else that moved.

    Returns:
        By what is compared: the share with its 95 % interval over houses.
    """
    from placecell.benchmarks.bootstrap import interval, shown
    from placecell.perception.colours import NUM_COLOURS, colours_of, shared_colours
    from placecell.perception.networks import open_network

    session, rng = open_network(path, 1), np.random.default_rng(5)
    houses: list[int] = []
    first: dict[str, list[bool]] = {"identity": [], "colours": []}
    for house in sorted({seed for seed, _ in crops.moved}):
        keys = [key for key in crops.moved if key[0] == house]
        views = [rng.permutation(np.array(crops.pairs[key][0][side]))[:MOST_SHOWN] for side in (0, 1) for key in keys]
        cells, groups = crops.inputs(views)
        sums, shares = np.zeros((len(views), NUM_IDENTITY)), np.zeros((len(views), NUM_COLOURS))
        np.add.at(sums, groups, session.run(None, {"patches": cells})[0])
        np.add.at(shares, groups, [colours_of(*crops.picture(i)) for i in np.concatenate(views)])
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)
        n = len(keys)
        cosines, shared = sums[:n] @ sums[n:].T, shared_colours(shares[:n, None], shares[None, n:])
        for name, likeness in (("identity", cosines), ("colours", shared)):
            first[name] += (likeness.argmax(axis=1) == np.arange(n)).tolist()
        houses += [house] * n
    found = {name: np.array(values) for name, values in first.items()}
    return {name: shown(interval(houses, lambda rows, v=v: float(v[rows].mean()))) for name, v in found.items()} | {
        "things": str(len(houses)), "houses": str(len(set(houses)))
    }  # fmt: skip


def write_model_card(path: Path, checkpoint: Path, judged: dict[str, str], args: argparse.Namespace) -> None:
    """Say what the network is, what it was trained on, how good it is, and where it ends."""
    import torch

    saved = torch.load(checkpoint, weights_only=True)
    num_weights = sum(value.numel() for value in saved["network"].values())
    name = f"placecell-house-identity@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    text = f"""# {name.partition("@")[0]}

To know a thing again elsewhere and from another side: a small network that knows rendered houses and nothing else.

- Name: `{name}`; {num_weights / 1e6:.2f} million weights, stored in half precision and computed in single precision,
  {path.stat().st_size / 1e6:.1f} MB.
- Reads {PATCH_SIDE} x {PATCH_SIDE} cells of one thing: colour, mask, and place in metres from its foot
  (`perception/reidentification.py`). What is around the thing it does not see.
- Gives {NUM_IDENTITY} numbers. Those of several views are added up; the cosine of two sums is high where they are of
  one thing.
- Licence: that of Placecell. No data or weights of others were used.

## Training

{saved["crops"]} crops of small things in {saved["houses"]} rendered houses (seeds from {FIRST_SEED}), as `regions` cuts
them and as they are, before and after they were carried elsewhere: up to {NUM_VIEWS} views at each place, from 0.4 to
3.2 m. {saved["step"]} steps of {NUM_PAIRS} pairs of groups of up to {MOST_VIEWS} views: a group is to be told from all
others by that of the same thing elsewhere (InfoNCE). Mirrored, with noise in their colours. AdamW, rate {RATE} with a
cosine decay, seed {args.seed}, bfloat16, {args.minutes:.0f} minutes on one shared processor core.

## Figures

{judged["things"]} things that were moved in {judged["houses"]} other houses (seeds {HELD_OUT[0]} to {HELD_OUT[-1]}), up
to {MOST_SHOWN} views at each place as `regions` cuts them. How often a thing's views there are more like its views here
than those of all else that was moved in its house (95 % intervals over houses):

- by identity: {judged["identity"]}
- by its colours alone: {judged["colours"]}

## Limits

It has never seen a photograph, nor a real depth camera, nor a thing that changed its shape. What one view of the side
shows it may not know again from behind. Made by `scripts/train_identity.py`.
"""
    (path.parent / "MODEL_CARD_IDENTITY.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("render", "train", "export"))
    parser.add_argument("--work", type=Path, default=Path("build/identity"), help="crops and checkpoints go here")
    parser.add_argument("--out", type=Path, default=IDENTITY_FILE.parent, help="folder of the export")
    parser.add_argument("--houses", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=40.0, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.checkpoint, folder = args.work / "checkpoint.pt", args.work / "crops"
    if args.what == "render":
        render(folder, [*HELD_OUT, *range(FIRST_SEED, FIRST_SEED + args.houses)])
    elif args.what == "train":
        train(args)
    else:
        path = export(args.checkpoint, args.out)
        write_model_card(path, args.checkpoint, judge(path, Crops(folder, HELD_OUT)), args)


if __name__ == "__main__":
    main()

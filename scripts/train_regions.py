"""Train the network that cuts views into things, from rendered houses.

python scripts/train_regions.py render                   # views of the training houses
python scripts/train_regions.py train --minutes 45       # goes on from its checkpoint if there is one
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from residual import residual_block, write_onnx

from placecell.envs.house import House, HouseEnv
from placecell.geometry import Camera, look_at, pose_from
from placecell.perception.objects import FIRST_THING
from placecell.perception.region_grid import CHANNELS, GRID_SIDE, RegionGrid, features
from placecell.perception.region_groups import NUM_CUES
from placecell.perception.regions import REGIONS_FILE

SIDE = GRID_SIDE
OUTPUTS = 6  # thing, joined to the right, joined below, offset to the middle (x, y, z)
WIDTHS = (24, 48, 96, 128)
FIRST_SEED = 20_000
HELD_OUT = range(90_000, 90_012)  # for the confidence and for choices


def render_house(seed: int, num_views: int = 14) -> dict[str, np.ndarray]:
    """Views of one house on the network's grid: half from random points, half towards a thing."""
    house = House.generate(seed)
    env = HouseEnv(house)
    rng = np.random.default_rng([seed, 31])
    env.pathfinder.seed(int(rng.integers(2**31)))
    points = np.array([env.pathfinder.get_random_navigable_point() for _ in range(120)])
    rgbs, depths, ids, poses = [], [], [], []
    while len(rgbs) < num_views:
        height = 0.88 if rng.random() < 0.7 else rng.uniform(0.6, 1.5)
        if len(rgbs) % 2:
            thing = house.objects[int(rng.integers(len(house.objects)))]
            off = np.hypot(points[:, 0] - thing.centre_m[0], points[:, 2] - thing.centre_m[2])
            near = np.flatnonzero((off > 0.4) & (off < 3.5))
            x, _, z = points[int(rng.choice(near))] if len(near) else points[int(off.argmin())]
            eye = np.array([x, height, z])
            pose = look_at(eye, thing.centre_m + rng.normal(0, 0.3, 3))
            if rng.random() < 0.6:  # level, as an agent that never tilts its camera sees it
                pose = pose_from(eye, math.atan2(pose[0, 2], pose[2, 2]))
        else:
            x, _, z = points[int(rng.integers(len(points)))]
            pitch = float(rng.choice([0.0, 0.0, 0.0, -math.pi / 6, math.pi / 6, rng.uniform(-0.6, 0.4)]))
            pose = pose_from(np.array([x, height, z]), rng.uniform(-math.pi, math.pi), pitch)
        rgb, depth, seen = env.render_at(pose)
        if (np.bincount(seen.ravel())[10:] >= 60).sum() < 1 and rng.random() < 0.8:
            continue  # a bare wall teaches little
        cells = ((np.arange(SIDE) + 0.5) * rgb.shape[0] / SIDE).astype(np.intp)  # as `RegionGrid.from_view` samples
        rgbs.append(cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
        depths.append(depth[np.ix_(cells, cells)].astype(np.float16))
        ids.append(seen[np.ix_(cells, cells)].clip(0, 255).astype(np.uint8))
        poses.append(pose)
    return {"rgb": np.stack(rgbs), "depth_m": np.stack(depths), "ids": np.stack(ids), "pose": np.stack(poses)}


def render(folder: Path, first: int, num: int) -> None:
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + num):
        path = folder / f"{seed:07d}.npz"
        if not path.exists():
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, **render_house(seed))
            partial.rename(path)
        if (seed - first) % 20 == 19:
            print(f"rendered {seed - first + 1} of {num} houses", file=sys.stderr, flush=True)


def build_network() -> Any:
    """A U-Net over pairs of cells: n x n of them go in as n/2 x n/2 stacks of four, and come out the same way."""
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            a, b, c, d = WIDTHS
            self.fold = nn.PixelUnshuffle(2)
            self.down1 = nn.Sequential(residual_block(4 * CHANNELS, a), residual_block(a, a))
            self.down2 = nn.Sequential(residual_block(a, b, 2), residual_block(b, b))
            self.down3 = nn.Sequential(residual_block(b, c, 2), residual_block(c, c))
            self.down4 = nn.Sequential(residual_block(c, d, 2), residual_block(d, d), residual_block(d, d))
            self.side3, self.up3 = nn.Conv2d(d, c, 1), residual_block(c, c)
            self.side2, self.up2 = nn.Conv2d(c, b, 1), residual_block(b, b)
            self.side1, self.up1 = nn.Conv2d(b, a, 1), nn.Sequential(residual_block(a, 32), residual_block(32, 32))
            self.head = nn.Conv2d(32, 4 * OUTPUTS, 1)
            self.unfold = nn.PixelShuffle(2)

        def forward(self, x: Any) -> Any:
            one = self.down1(self.fold(x))  # (n, a, h/2, w/2)
            two = self.down2(one)  # (n, b, h/4, w/4)
            three = self.down3(two)  # (n, c, h/8, w/8)
            y = self.down4(three)  # (n, d, h/16, w/16)
            for side, skip, up in (
                (self.side3, three, self.up3),
                (self.side2, two, self.up2),
                (self.side1, one, self.up1),
            ):
                y = up(torch.nn.functional.interpolate(side(y), scale_factor=2.0, mode="nearest") + skip)
            return self.unfold(self.head(y))  # (n, outputs, h, w)

    return Network()


class Views:
    """Rendered views in memory; those that appear later are taken in as they come."""

    def __init__(self, folder: Path):
        self._folder, self._read = folder, set[Path]()
        self.rgb: list[np.ndarray] = []
        self.depth_m: list[np.ndarray] = []
        self.ids: list[np.ndarray] = []
        self.pose: list[np.ndarray] = []
        self.refresh()

    def refresh(self) -> None:
        """Take in what was rendered since."""
        for path in sorted(set(self._folder.glob("???????.npz")) - self._read):
            self._read.add(path)
            with np.load(path) as house:
                for name in ("rgb", "depth_m", "ids", "pose"):
                    getattr(self, name).extend(house[name])

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, targets (thing, joined to the right, joined below, offset to the middle) and weights of a view."""
        i = int(rng.integers(len(self.rgb)))
        rgb, depth, ids = self.rgb[i], self.depth_m[i].astype(np.float32), self.ids[i]
        pose = self.pose[i]
        if rng.random() < 0.7:
            gain = rng.uniform(0.75, 1.3) * rng.uniform(0.93, 1.07, 3)
            ramp = (np.arange(256)[:, None] / 255) ** rng.uniform(0.8, 1.25) * gain * 255 + rng.uniform(-12, 12)
            rgb = cv2.LUT(rgb, np.clip(ramp, 0, 255).astype(np.uint8)[None])
        if rng.random() < 0.3:
            rgb = np.clip(rgb + rng.normal(0, rng.uniform(1, 7), rgb.shape), 0, 255).astype(np.uint8)
        if rng.random() < 0.2:  # a sensor is less exact than a renderer
            depth = depth * (1 + rng.normal(0, rng.uniform(0.001, 0.006), depth.shape).astype(np.float32))
        if rng.random() < 0.15:
            y, x = rng.integers(0, SIDE - 8, 2)
            depth[y : y + int(rng.integers(4, 40)), x : x + int(rng.integers(4, 40))] = 0
        grid = RegionGrid.from_view(rgb, depth, Camera(SIDE, SIDE), pose)
        # The middles come from the exact depth: holes and noise must not move the truth.
        exact = RegionGrid.from_view(rgb, self.depth_m[i].astype(np.float32), Camera(SIDE, SIDE), pose).points
        inputs = features(grid)
        targets, weights = make_targets(ids, np.nan_to_num(exact))
        if rng.random() < 0.5:
            inputs, targets, weights = mirror(inputs, targets, weights)
        return inputs, targets, weights


def make_targets(ids: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets (6, h, w) and weights (3, h, w: of thing, of joints, of offsets)."""
    h, w = ids.shape
    flat = ids.ravel().astype(np.intp)
    counts = np.bincount(flat, minlength=256)
    sums = np.stack([np.bincount(flat, points[..., k].ravel(), 256) for k in range(3)], axis=1)
    middles = sums / np.maximum(counts, 1)[:, None]
    thing = ids >= FIRST_THING
    targets = np.zeros((OUTPUTS, h, w), np.float32)
    targets[0] = thing
    targets[1, :, :-1] = ids[:, 1:] == ids[:, :-1]
    targets[2, :-1] = ids[1:] == ids[:-1]
    targets[3:] = (middles[ids] - points).transpose(2, 0, 1)
    # A small thing has few pixels: each of them counts for more.
    by_size = np.sqrt(400 / np.maximum(counts, 8)).clip(0.4, 3.0).astype(np.float32)[ids]
    weights = np.zeros((3, h, w), np.float32)
    weights[0] = np.where(thing, by_size, 0.7)
    near = thing.copy()
    near[:, :-1] |= thing[:, 1:]
    near[:-1] |= thing[1:]
    weights[1] = near
    weights[2] = np.where(thing, by_size, 0)
    return targets, weights


def mirror(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The view in a mirror: x turns round, and a joint to the right becomes one to the left."""
    inputs, targets, weights = inputs[..., ::-1].copy(), targets[..., ::-1].copy(), weights[..., ::-1].copy()
    inputs[[4, 7]] *= -1
    targets[3] *= -1
    targets[1, :, :-1] = targets[1, :, 1:]
    targets[1, :, -1] = 0
    return inputs, targets, weights


def losses(torch: Any, output: Any, targets: Any, weights: Any) -> dict[str, Any]:
    functional = torch.nn.functional
    thing = functional.binary_cross_entropy_with_logits(output[:, 0], targets[:, 0], weight=weights[:, 0])
    joints = functional.binary_cross_entropy_with_logits(output[:, 1:3], targets[:, 1:3], reduction="none")
    # Most neighbours belong together; the few that do not draw the outlines.
    use = weights[:, 1:2] * (1 + 4 * (1 - targets[:, 1:3]))
    off = functional.smooth_l1_loss(output[:, 3:], targets[:, 3:], beta=0.1, reduction="none").sum(1)
    return {
        "thing": thing,
        "joints": (joints * use).sum() / use.sum() / 2,
        "middle": (off * weights[:, 2]).sum() / (weights[:, 2].sum() + 1),
    }


def train(args: argparse.Namespace) -> None:
    """Train for so many minutes, with a checkpoint every minute."""
    import torch

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    network = build_network().to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    decays = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decays, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=args.lr
    )
    step, spent = 0, 0.0
    if args.checkpoint.exists():
        saved = torch.load(args.checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        step, spent = saved["step"], saved["spent_s"]
    views, rng = Views(args.work / "views"), np.random.default_rng([args.seed, step])
    start, last_save, sums = time.monotonic() - spent, spent, dict[str, float]()
    while (progress := (time.monotonic() - start) / (60 * args.minutes)) < 1:
        rate = args.lr * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        parts = [views.sample(rng) for _ in range(args.batch)]
        inputs, targets, weights = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            output = network(inputs.to(memory_format=torch.channels_last))
        terms = losses(torch, output.float(), targets, weights)
        optimiser.zero_grad(set_to_none=True)
        (terms["thing"] + terms["joints"] + 1.5 * terms["middle"]).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        average.update_parameters(network)
        step += 1
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        if step % 50 == 0:
            line = "  ".join(f"{key} {value / 50:.4f}" for key, value in sums.items())
            print(f"step {step}  {time.monotonic() - start:.0f} s  {len(views.rgb)} views  {line}", flush=True)
            sums = {}
            views.refresh()
        now = time.monotonic() - start
        if now - last_save > 60:
            save(args.checkpoint, network, average, optimiser, step, now)
            last_save = now
    save(args.checkpoint, network, average, optimiser, step, time.monotonic() - start)


def save(path: Path, network: Any, average: Any, optimiser: Any, step: int, spent_s: float) -> None:
    import torch

    state = {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**state, "step": step, "spent_s": spent_s}, path.with_suffix(".partial"))
    path.with_suffix(".partial").rename(path)


def export(checkpoint: Path, folder: Path, held_out: Sequence[int]) -> Path:
    """Write the averaged network as ONNX, its weights in half precision, and its card beside it."""
    import torch

    network = build_network()
    average = torch.optim.swa_utils.AveragedModel(network)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    path = folder / REGIONS_FILE.name
    write_onnx(
        average.module,
        (1, CHANNELS, SIDE, SIDE),
        {"cells": {0: "n", 2: "h", 3: "w"}, "regions": {0: "n", 2: "h", 3: "w"}},
        path,
    )
    name = f"placecell-house-regions@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    card = {"name": name, "confidence": [0.0] * (NUM_CUES + 1)}
    path.with_suffix(".json").write_text(json.dumps(card) + "\n", encoding="utf-8")
    card["confidence"] = fit_confidence(path, held_out)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return path


def fit_confidence(network: Path, seeds: Sequence[int]) -> list[float]:
    """Weights of a logistic regression: is a region one whole thing (IoU of one half), given its cues?"""
    from placecell.benchmarks.region_views import match_masks, views_of_house
    from placecell.perception.encoders import open_encoder
    from placecell.perception.regions import RegionDetector

    detector = RegionDetector(open_encoder("builtin"), path=network)
    cues, right = [], []
    for seed in seeds:
        for view in views_of_house(seed):
            cut = detector.regions(view.rgb, view.depth_m, view.camera, view.pose)
            for match in match_masks(view.ids, cut.labels):
                if match.region:
                    cues.append(cut.cues[match.region - 1])
                    right.append(match.thing > 0)
    x = np.concatenate([np.array(cues, np.float64), np.ones((len(cues), 1))], axis=1)
    y, weights = np.array(right, np.float64), np.zeros(x.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        hessian = (x * (chance * (1 - chance))[:, None]).T @ x + 0.1 * np.eye(x.shape[1])
        weights -= np.linalg.solve(hessian, x.T @ (chance - y) + 0.1 * weights)
    print(f"confidence fitted on {len(y)} regions of {len(seeds)} houses, {y.mean():.3f} of them right", flush=True)
    return [round(float(value), 4) for value in weights]


def write_model_card(folder: Path, checkpoint: Path, num_views: int, args: argparse.Namespace) -> None:
    """Say what the network is, what it was trained on, how good it is, and where it ends."""
    import torch

    from placecell.benchmarks import regions

    saved = torch.load(checkpoint, weights_only=True)
    card = json.loads((folder / REGIONS_FILE.with_suffix(".json").name).read_text(encoding="utf-8"))
    result = regions.run(first_seed=args.judged, num_houses=args.judged_houses, say=print)
    (args.work / "judged.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    num_weights = sum(value.numel() for value in saved["network"].values())
    size = (folder / REGIONS_FILE.name).stat().st_size
    text = f"""# {card["name"].partition("@")[0]}

What cuts a picture with depth into things: a small network that knows rendered houses and nothing else.

- Name: `{card["name"]}`; {num_weights / 1e6:.2f} million weights, stored in half precision and computed in single
  precision, {size / 1e6:.1f} MB.
- Reads {CHANNELS} numbers of each cell of a grid of {SIDE} x {SIDE}: colour, inverse distance, the point in the frame
  of the camera's heading, the surface normal, the bend of the inverse depth (`perception/region_grid.py`).
- Says of each cell: whether it belongs to a thing, whether it belongs together with its right and its lower
  neighbour, and where the middle of its thing lies. `perception/region_groups.py` makes regions of that.
- It knows no names: those come from the encoder.
- Licence: that of Placecell. No data or weights of others were used.

## Training

{num_views} views of rendered houses (seeds from {FIRST_SEED}), half from random navigable points, half towards a
thing; heights of 0.6 to 1.5 m, mostly 0.88 m; level or tilted. Mirrored; light, gamma, tint and noise changed; depth
sometimes noisy or with holes. {saved["step"]} steps of {args.batch} views, AdamW, rate {args.lr} with a cosine decay,
seed {args.seed}, bfloat16, {saved["spent_s"] / 60:.0f} minutes on one shared processor core; the weights are averaged.
{args.note}
The confidence is a logistic regression on {len(HELD_OUT)} other houses (seeds {HELD_OUT[0]} to {HELD_OUT[-1]}).

## Figures

Intervals: 95 %, bootstrap over houses. Made by `placecell bench regions`.

```
{regions.summary(result)}
```

## Limits

It has never seen a photograph, nor a real depth camera. Thin things (ladders, bicycles, lamps far away) and slivers
behind others are missed most. Made by `scripts/train_regions.py`.
"""
    (folder / "MODEL_CARD_REGIONS.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("render", "train", "export", "card"))
    parser.add_argument("--work", type=Path, default=Path("build/regions"), help="views and checkpoints go here")
    parser.add_argument("--out", type=Path, default=REGIONS_FILE.parent, help="folder of the export")
    parser.add_argument("--houses", type=int, default=520)
    parser.add_argument("--minutes", type=float, default=58.0, help="of training, those before a restart included")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--note", default="", help="what else the card should say of the training")
    parser.add_argument("--judged", type=int, default=3_000_100, help="first house that the card's figures are from")
    parser.add_argument("--judged-houses", type=int, default=20)
    args = parser.parse_args()
    args.checkpoint = args.work / "checkpoint.pt"
    if args.what == "render":
        render(args.work / "views", FIRST_SEED, args.houses)
    elif args.what == "train":
        train(args)
    elif args.what == "export":
        export(args.checkpoint, args.out, HELD_OUT)
    else:
        write_model_card(args.out, args.checkpoint, len(Views(args.work / "views").rgb), args)


if __name__ == "__main__":
    main()

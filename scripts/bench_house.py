"""Steps per second of the procedural house on one core: RGB, metric depth and instance ids.

Example: python scripts/bench_house.py --steps 300 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import cv2
import numpy as np

from placecell.envs.house import HouseEnv


def measure(seeds: list[int], side: int, steps: int, antialias: int) -> dict[str, float]:
    """Random walk of `steps` steps in every house; figures are over all of them."""
    cpu = wall = 0.0
    rates = []
    for seed in seeds:
        env = HouseEnv(seed=seed, resolution=(side, side), max_steps=steps + 20, antialias=antialias)
        env.reset(seed=seed)
        actions = np.random.default_rng(seed).choice([1, 1, 1, 2, 3], steps + 10)
        for action in actions[:10]:
            env.step(int(action))
        cpu_0, wall_0 = time.process_time(), time.perf_counter()
        for action in actions[10:]:
            env.step(int(action))
        used = time.process_time() - cpu_0
        cpu, wall = cpu + used, wall + time.perf_counter() - wall_0
        rates.append(steps / used)
    total = steps * len(seeds)
    return {
        "side_px": side, "antialias": antialias, "steps": total, "steps_per_cpu_s": round(total / cpu, 1),
        "steps_per_wall_s": round(total / wall, 1), "slowest_house_per_cpu_s": round(min(rates), 1),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=200, help="steps per house")
    parser.add_argument("--antialias", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # whatever starts threads shares one core
    print(f"houses {options.seeds}, {options.steps} steps each, one core", file=sys.stderr)
    for side in (128, 256):
        print(json.dumps(measure(options.seeds, side, options.steps, options.antialias)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

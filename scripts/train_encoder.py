"""Train the encoder that comes with the package: a small CLIP that knows rendered houses.

    python scripts/train_encoder.py --out perception/builtin     # render, train, measure, export: <= 2 h, 2 cores
    python scripts/train_encoder.py --evaluate                   # the marks of the encoder in the package

The model is open_clip's own `CLIP` (a narrow `ModifiedResNet` and a two-layer text transformer), so a checkpoint loads
with `open_clip` and the config beside it. It learns from pictures with several captions each: a sigmoid per picture and
caption (Zhai et al. 2023, SigLIP), plus a softmax over names for crops of one object (Radford et al. 2021, CLIP).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from placecell.perception.vocabulary import PROMPTS, SPELLINGS, vocabulary

IMAGE_SIZE, DIM, CONTEXT = 96, 256, 12
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CONFIG: dict[str, Any] = {
    "embed_dim": DIM,
    "vision_cfg": {"image_size": IMAGE_SIZE, "layers": [1, 2, 3, 2], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": CONTEXT, "width": 128, "heads": 4, "layers": 2},
}


def render_houses(folder: Path, first: int, num: int, workers: int, group: int = 15) -> None:
    """Render what is not rendered yet; one pickle per group of houses."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = [range(start, min(start + group, first + num)) for start in range(first, first + num, group)]
    todo = [seeds for seeds in groups if not (folder / f"{seeds[0]:07d}.pkl").exists()]
    with ProcessPoolExecutor(workers) as pool:
        for i, _ in enumerate(pool.map(_render_group, todo, [folder] * len(todo))):
            print(f"rendered {(i + 1) * group} of {len(todo) * group} houses", file=sys.stderr, flush=True)


def _render_group(seeds: range, folder: Path) -> None:
    import cv2

    from placecell.benchmarks.house_views import house_views

    cv2.setNumThreads(1)
    views = [view for seed in seeds for view in house_views(seed)]
    partial = folder / f"{seeds[0]:07d}.partial"
    partial.write_bytes(pickle.dumps(views))
    partial.rename(folder / f"{seeds[0]:07d}.pkl")


def build_model(vocab_size: int) -> Any:
    """Open_clip's CLIP with the two numbers of a sigmoid loss."""
    import open_clip

    text = {**CONFIG["text_cfg"], "vocab_size": vocab_size}
    return open_clip.model.CLIP(
        CONFIG["embed_dim"], CONFIG["vision_cfg"], text, init_logit_scale=math.log(10.0), init_logit_bias=-6.0
    )


def batches(folder: Path, batch: int, seed: int, steps: int) -> Any:
    """Samples and captions, made by one process beside the one that trains."""
    import torch

    from placecell.benchmarks.encoder_samples import make_captions, sample_batches
    from placecell.perception.tokens import WordTokenizer

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Any:
            tokenizer, rng = WordTokenizer(vocabulary(), CONTEXT, SPELLINGS), np.random.default_rng([seed, 1])
            torch.set_num_threads(1)
            for i, samples in enumerate(sample_batches(folder, IMAGE_SIZE, batch, seed)):
                if i == steps:
                    return
                yield samples, make_captions(tokenizer, samples, rng)

    return torch.utils.data.DataLoader(Stream(), batch_size=None, num_workers=1, prefetch_factor=4)


def encode_short(model: Any, tokens: Any) -> Any:
    """`model.encode_text` for rows that were cut to the longest of the batch: the same vectors for half the work."""
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]  # (t, length, width)
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return x[range(len(tokens)), tokens.argmax(dim=-1)] @ model.text_projection  # (t, d)


def losses(torch: Any, model: Any, samples: Any, captions: Any, device: str, sharpness: Any) -> dict[str, Any]:
    """Sigmoid loss over all pictures and captions that are clear cases, softmax losses where one name fits best."""
    nn = torch.nn.functional

    def tensor(array: np.ndarray) -> Any:
        return torch.as_tensor(array, device=device)

    pixels = tensor(samples.images).permute(0, 3, 1, 2).float()
    pixels = (pixels / 255 - MEAN[0]) / STD[0]
    if device == "cpu":
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.autocast(device, torch.bfloat16):
        image = model.visual(pixels)
        text = encode_short(model, tensor(captions.tokens))
    image, text = nn.normalize(image.float(), dim=-1), nn.normalize(text.float(), dim=-1)
    cosine = image @ text.T  # (n, t)
    kinds, k_mask, c_mask, r_mask = (
        tensor(a) for a in (captions.kind, captions.categories, captions.colours, captions.rooms)
    )
    k_mask, c_mask, r_mask = k_mask.float(), c_mask.float(), r_mask.float()

    def matches(things: Any, left: Any, right: Any) -> tuple[Any, Any]:
        """How many present and how many unclear things of each picture a caption names."""
        flat = torch.einsum("tk,tc->tkc", left, right).flatten(1)
        return (things == 2).float().flatten(1) @ flat.T, (things == 1).float().flatten(1) @ flat.T

    yes = torch.zeros_like(cosine)
    unclear = torch.zeros_like(cosine)
    for kind, things, left, right in (
        (0, samples.things, k_mask, c_mask),
        (1, samples.plain, k_mask, c_mask),
        (2, samples.placed, k_mask, r_mask),
    ):
        t = kinds == kind
        yes[:, t], unclear[:, t] = matches(tensor(things), left[t], right[t])
    t, rooms = kinds == 3, tensor(samples.rooms)
    yes[:, t], unclear[:, t] = (rooms == 2).float() @ r_mask[t].T, (rooms == 1).float() @ r_mask[t].T
    use = ((yes > 0) | (unclear == 0)) & (kinds < 4)[None]
    logits = cosine * model.logit_scale.exp() + model.logit_bias
    pairs = nn.binary_cross_entropy_with_logits(logits, (yes > 0).float(), reduction="none")
    out = {"pairs": (pairs * use).sum() / len(image) / 4}
    centre = tensor(samples.centre)
    crop = centre[:, 0] >= 0
    coloured = crop & (centre[:, 2] == 1)
    scale = sharpness.exp()
    out["category"] = nn.cross_entropy(cosine[crop][:, kinds == 4] * scale, centre[crop, 0])
    out["colour"] = nn.cross_entropy(cosine[coloured][:, kinds == 5] * scale, centre[coloured, 1])
    one_room = (rooms == 2).sum(1) == 1
    out["room"] = nn.cross_entropy(cosine[one_room][:, kinds == 3] * scale, (rooms[one_room] == 2).float().argmax(1))
    return out


def train(args: argparse.Namespace, tokenizer: Any) -> Any:
    """Train, with a checkpoint every few hundred steps; returns the averaged model."""
    import torch

    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(args.threads)
    model = build_model(tokenizer.vocab_size).to(device)
    if device == "cpu":
        model.visual.to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    sharpness = torch.nn.Parameter(torch.tensor(math.log(20.0), device=device))
    named = list(model.named_parameters())
    decays = [p for n, p in named if p.ndim > 1 and "embedding" not in n]
    plain = [p for n, p in named if not (p.ndim > 1 and "embedding" not in n)] + [sharpness]
    groups = [{"params": decays, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    start = time.monotonic()
    sums: dict[str, float] = {}
    first = 0
    if args.resume and args.checkpoint.exists():
        saved = torch.load(args.checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"])
        average.module.load_state_dict(saved["average"])
        average.n_averaged.fill_(saved["step"])
        optimiser.load_state_dict(saved["optimiser"])
        sharpness.data.fill_(saved["sharpness"])
        first = saved["step"]
    for step, (samples, captions) in enumerate(batches(args.views, args.batch, args.seed + first, args.steps - first)):
        step += first
        limit = args.minutes * 60
        # Progress is the further of steps and time, so that the rate has come down when either runs out.
        progress = max(step / args.steps, (time.monotonic() - start) / limit)
        if progress >= 1.0:
            break
        rate = args.lr * min(1.0, (step + 1) / 150) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        model.train()
        terms = losses(torch, model, samples, captions, device, sharpness)
        total = terms["pairs"] + 0.5 * terms["category"] + 0.5 * terms["colour"] + 0.3 * terms["room"]
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(60.0))
            sharpness.clamp_(0, math.log(60.0))
        if step >= 100:
            average.update_parameters(model)
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + float(value)
        if (step + 1) % 50 == 0:
            line = "  ".join(f"{key} {value / 50:.3f}" for key, value in sums.items())
            scale, bias = float(model.logit_scale.exp()), float(model.logit_bias)
            spent = time.monotonic() - start
            print(
                f"step {step + 1}  {spent:.0f} s  {line}  scale {scale:.1f} bias {bias:.1f}",
                file=sys.stderr,
                flush=True,
            )
            sums = {}
        if (step + 1) % 200 == 0:
            save(args.checkpoint, model, average.module, optimiser, step + 1, float(sharpness))
    save(args.checkpoint, model, average.module, optimiser, step + 1, float(sharpness))
    # A model of its own: averaging spoils the attention mask, a buffer of minus infinities that is no weight.
    final = build_model(tokenizer.vocab_size)
    final.load_state_dict(average.module.state_dict())
    return final.eval()


def training_facts(args: argparse.Namespace) -> str:
    """What the weights come from, counted from the files."""
    import torch

    step = torch.load(args.checkpoint, weights_only=True, map_location="cpu")["step"]
    seeds: set[int] = set()
    num = 0
    for path in sorted(args.views.glob("*.pkl")):
        views = pickle.loads(path.read_bytes())
        num += len(views)
        seeds |= {view.seed for view in views}
    spans = [str(s) for s in sorted(seeds) if s - 1 not in seeds], [str(s) for s in sorted(seeds) if s + 1 not in seeds]
    ranges = ", ".join(f"{a}-{b}" for a, b in zip(*spans, strict=True))
    return (
        f"{num} views of {len(seeds)} houses (seeds {ranges}), rendered at 256 x 256, 320 x 240 and 480 x 360,\n"
        f"fields of view of 71 to 94 degrees, heights of 0.6 to 1.5 m. {step} steps of {args.batch} pictures, AdamW,\n"
        f"rate {args.lr} with a cosine decay, seed {args.seed}, bfloat16, on two processor cores."
    )


def save(path: Path, model: Any, average: Any, optimiser: Any, step: int, sharpness: float) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**state, "step": step, "sharpness": sharpness}, path.with_suffix(".partial"))
    path.with_suffix(".partial").rename(path)


def export(model: Any, tokenizer: Any, folder: Path, views: Any) -> Any:
    """Write the encoder and calibrate it on houses that were not trained on; returns it, opened from the files."""
    from placecell.benchmarks.encoder_marks import fit_calibration
    from placecell.perception.export import export_towers, half_weights, write_card
    from placecell.perception.onnx_encoder import OnnxEncoder

    folder.mkdir(parents=True, exist_ok=True)
    export_towers(model, folder, IMAGE_SIZE, MEAN, STD, CONTEXT)
    for name in ("vision.onnx", "text.onnx"):
        half_weights(folder / name)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer.to_dict()), encoding="utf-8")
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": tokenizer.vocab_size}}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    write_card(folder, "placecell-house-clip", DIM, IMAGE_SIZE, None, PROMPTS)
    calibration = fit_calibration(OnnxEncoder(folder), views)
    write_card(folder, "placecell-house-clip", DIM, IMAGE_SIZE, calibration, PROMPTS)
    return OnnxEncoder(folder)


def write_model_card(folder: Path, figures: dict[str, Any], judged: range, training: str) -> None:
    """Say what the encoder is, what it was trained on, how good it is, and where it ends."""
    from placecell.benchmarks.encoder_marks import VALIDATION_SEEDS
    from placecell.envs.house import CATEGORIES, COLOURS, ROOM_TYPES

    card = json.loads((folder / "encoder.json").read_text())
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix in (".onnx", ".json")}

    def row(title: str, key: str) -> str:
        mark = figures[key]
        if isinstance(mark, float):
            return f"| {title} | {mark:.3f} | | |"
        return f"| {title} | {mark['value']:.3f} | {mark['low']:.3f} - {mark['high']:.3f} | {mark['n']} |"

    worst = ", ".join(f"{name} {value:.2f}" for name, value in list(figures["by_category"].items())[:8])
    text = f"""# {card["name"].partition("@")[0]}

The encoder that comes with Placecell: a small CLIP that knows rendered houses and nothing else.

- Name: `{card["name"]}`; {DIM} numbers per vector, pictures of {IMAGE_SIZE} x {IMAGE_SIZE} pixels.
- Architecture: open_clip's `CLIP` with the config in `open_clip_config.json` (ModifiedResNet, text transformer over
  whole words). Weights are stored in half precision and computed in single precision,
  {sum(sizes.values()) / 1e6:.1f} MB.
- Words: {len(vocabulary())}, listed in `tokenizer.json`. Any other word is reported as unknown.
- Licence: that of Placecell. No data or weights of others were used.

## Training

{training}

A picture is a crop of one object, a tile, or a whole view, distorted in light, gamma, tint, sharpness, noise and JPEG
quality. It matches the captions of everything that it shows (things, coloured things, a colour alone, a thing in a
room, a room), each worded anew at every step with synonyms, and does not match those of what is absent or of the wrong
colour; what is too small or too cut off to judge counts as neither. Loss: a sigmoid per picture and caption, and a
softmax over names for what is in the middle of a crop.

Calibration (`encoder.json`): scale and bias of a logistic regression on validation houses (seeds {VALIDATION_SEEDS[0]}
to {VALIDATION_SEEDS[-1]}), which were used for choices too, and never for training.

## Figures

{figures["houses"]} houses that training never saw (seeds {judged[0]} to {judged[-1]}), 24 views from random
navigable points and 24 towards objects in each, 256 x 256, 90 degrees, JPEG quality 70-90. By text alone: the best of
all names in a prompt, no classifier head. Intervals: 95 %, bootstrap over houses.

| what | value | 95 % interval | n |
|---|---|---|---|
{row(f"category of object crops, best of {len(CATEGORIES)}", "category_micro")}
{row("the same, mean over categories", "category_macro")}
{row("category of all objects of 32 pixels, hidden or cut off as they may be", "category_hidden")}
{row(f"colour of object crops, best of {len(COLOURS)}", "colour")}
{row(f"type of room of a random view, best of {len(ROOM_TYPES)}", "room")}
{row("the same, every random view", "room_any")}
{row("present against absent coloured things, area under the curve", "refusal_auroc")}
{row("the same, absent ones that differ in the colour alone", "refusal_auroc_colour_alone")}
{row("a right view among the best 5 of 48", "recall_at_5")}

Crops: every object that is at least 32 pixels long, at most half hidden by others, with at least a quarter of its
projected box in the picture; square, 20 % margin. Colour: only categories whose colour is a fair question. Room: views
of which 60 % lies in the camera's own room, with at least two objects of 32 pixels; the next row has all views, into
doorways and at bare walls too. Present: in sight at 32 pixels in some view, scored by the best vector over all views
and tiles; absent: coloured things that are nowhere in the house's views, half of them of a category that is there in
another colour.

Weakest categories: {worst}.

## Limits

It has never seen a photograph. It knows {len(CATEGORIES)} categories, {len(COLOURS)} colours and {len(ROOM_TYPES)}
types of room, as `placecell.envs` draws them; for real footage use another encoder (`docs/encoders.md`). It does not
know size, number, side, or "not". Things under about 24 pixels, or mostly hidden, are not reliably found.

Made by `scripts/train_encoder.py`; figures by `python scripts/train_encoder.py --evaluate`.
"""
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def measured(encoder: Any, views: Any) -> dict[str, Any]:
    """The marks as plain data, printed on the way."""
    from placecell.benchmarks.encoder_marks import Mark, marks

    figures = marks(encoder, views)
    for key, value in figures.items():
        if isinstance(value, (Mark, float)):
            print(f"{key:28s} {value}", file=sys.stderr)
    return {key: value.to_dict() if isinstance(value, Mark) else value for key, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/encoder"), help="views and checkpoints go here")
    parser.add_argument("--out", type=Path, help="folder of the export, default WORK/export")
    parser.add_argument("--evaluate", nargs="?", const="builtin", metavar="ENCODER", help="only print the marks of one")
    parser.add_argument("--export-only", action="store_true", help="export the checkpoint as it is")
    parser.add_argument(
        "--validation", action="store_true", help="measure on the validation houses, not the test houses"
    )
    parser.add_argument("--houses", type=int, default=1500, help="training houses: seeds 0 to this")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=90.0, help="stop training after so long")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    args = parser.parse_args()
    args.views, args.checkpoint = args.work / "train", args.work / "checkpoint.pt"

    from placecell.benchmarks.encoder_marks import TEST_SEEDS, VALIDATION_SEEDS, render_seeds
    from placecell.perception.encoders import open_encoder
    from placecell.perception.tokens import WordTokenizer

    judged = VALIDATION_SEEDS if args.validation else TEST_SEEDS
    if args.evaluate:
        figures = measured(open_encoder(args.evaluate), render_seeds(judged, args.threads))
        print(json.dumps({"seeds": [judged[0], judged[-1]], **figures}, indent=1))
        return
    tokenizer = WordTokenizer(vocabulary(), CONTEXT, SPELLINGS)
    if args.export_only:
        import torch

        model = build_model(tokenizer.vocab_size)
        model.load_state_dict(torch.load(args.checkpoint, weights_only=True, map_location="cpu")["average"])
    else:
        render_houses(args.views, 0, args.houses, args.threads)
        model = train(args, tokenizer)
    encoder = export(
        model.eval(), tokenizer, args.out or args.work / "export", render_seeds(VALIDATION_SEEDS, args.threads)
    )
    figures = measured(encoder, render_seeds(judged, args.threads))
    write_model_card(encoder.path, figures, judged, training_facts(args))
    (encoder.path / "marks.json").write_text(json.dumps({"seeds": [judged[0], judged[-1]], **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

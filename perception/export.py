"""From an open_clip model to ONNX files that run without torch, and a report of how well they agree."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from placecell.errors import MissingDependencyError
from placecell.perception.onnx_encoder import CARD_VERSION, OnnxEncoder
from placecell.perception.open_clip_encoder import OpenClipEncoder, import_open_clip
from placecell.perception.tokens import BpeTokenizer, Tokenizer

__all__ = ["ParityReport", "export_encoder", "export_towers", "half_weights", "probe_images", "write_card"]

PROBE_TEXTS = tuple(
    f"a photo of {thing}"
    for thing in (
        "a red mug", "a dog on the beach", "an empty street at night", "two people talking", "a kitchen", "the keys",
        "a yellow taxi", "a snowy mountain", "a plate of food", "a bicycle against a wall", "a cat asleep", "a bridge",
        "an office desk with a laptop", "a crowd", "a green field", "a train",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How an export compares with the model it came from, on the same pictures and texts.

    Attributes:
        name: The export's name.
        int8: Whether weights were quantised.
        image_cosine_min: Lowest cosine between a picture's two vectors; 1 is perfect.
        image_cosine_mean: Their mean.
        text_cosine_min: The same for texts.
        text_cosine_mean: Their mean.
        top1_agreement: Share of pictures for which both choose the same text.
        top1_decided: The same among pictures whose best text leads by more than 0.01 in cosine; None if there is none.
        torch_ms_per_image: CPU milliseconds of the original (one thread's worth, in float32).
        onnx_ms_per_image: CPU milliseconds of the export.
        num_bytes: Size of the files.
    """

    name: str
    int8: bool
    image_cosine_min: float
    image_cosine_mean: float
    text_cosine_min: float
    text_cosine_mean: float
    top1_agreement: float
    top1_decided: float | None
    torch_ms_per_image: float
    onnx_ms_per_image: float
    num_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.name}: {self.num_bytes / 1e6:.1f} MB{' int8' if self.int8 else ''}; cosine to torch "
            f"images {self.image_cosine_mean:.4f} (min {self.image_cosine_min:.4f}), "
            f"texts {self.text_cosine_mean:.4f} (min {self.text_cosine_min:.4f}); "
            f"same best text {100 * self.top1_agreement:.0f} %; "
            f"{self.onnx_ms_per_image:.1f} ms per image (torch {self.torch_ms_per_image:.1f})"
        )


def probe_images(num: int, size: int, seed: int = 0) -> UInt8[np.ndarray, "n s s 3"]:
    """Pictures that resemble nothing but differ widely: blobs of colour over gradients, with some noise."""
    rng = np.random.default_rng(seed)
    images = np.empty((num, size, size, 3), np.uint8)
    for image in images:
        coarse = rng.integers(0, 256, (int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (size, size), interpolation=int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC])))
        for _ in range(int(rng.integers(0, 6))):
            centre = tuple(int(v) for v in rng.integers(0, size, 2))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            cv2.circle(picture, centre, int(rng.integers(2, max(3, size // 3))), colour, -1)
        noise = rng.normal(0, rng.uniform(0, 12), picture.shape)
        image[:] = np.clip(picture + noise, 0, 255)
    return images


def export_encoder(
    model: str,
    out: str | Path,
    pretrained: str | None = None,
    checkpoint: str | Path | None = None,
    int8: bool = False,
    images: Sequence[np.ndarray] | None = None,
    texts: Sequence[str] = PROBE_TEXTS,
) -> ParityReport:
    """Export a model of open_clip to a folder that `OnnxEncoder` reads, and compare the two.

    Args:
        model: See `OpenClipEncoder`.
        out: Folder to write; replaced if it holds an export already, and only when the new one is complete.
        pretrained: Tag of the weights.
        checkpoint: File with the weights.
        int8: Quantise the weights of matrix products to 8 bits (activations are quantised as they come). Smaller, and
            faster where the processor multiplies bytes; the report says what it costs.
        images: Pictures to compare on; made up if not given. Real ones say more.
        texts: Texts to compare on.

    Raises:
        MissingDependencyError: If torch, open_clip or onnx is missing.
        ModelUnavailableError: If the weights cannot be had.
        FileExistsError: If `out` is a file, or a folder with other things in it.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "encoder.json").is_file())):
        raise FileExistsError(f"{out} exists and is no encoder export; choose another place")
    encoder = OpenClipEncoder(model, pretrained, checkpoint, precision="fp32")
    label = encoder.name.removeprefix("open_clip:").rpartition("@")[0]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as partial:
        folder = Path(partial) / "export"
        folder.mkdir()
        export_towers(encoder.model, folder, encoder.image_size, encoder._mean, encoder._std, encoder.context_length)
        tokenizer = _portable_tokenizer(encoder)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer.to_dict(), ensure_ascii=False), encoding="utf-8")
        if int8:
            _quantise(folder / "vision.onnx")
            _quantise(folder / "text.onnx")
        write_card(folder, label + ("-int8" if int8 else ""), encoder.dim, encoder.image_size, encoder.calibration)
        report = _compare(encoder, OnnxEncoder(folder), int8, images, texts)
        (folder / "parity.json").write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return report


def export_towers(
    model: Any,
    folder: Path,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    context_length: int,
) -> None:
    """Write `vision.onnx` (uint8 pictures `n h w 3` to vectors) and `text.onnx` (ids `n context` to vectors)."""
    torch, _ = import_open_clip()
    module_class: Any = torch.nn.Module

    class Vision(module_class):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.visual = model.visual
            self.register_buffer("shift", -(torch.tensor(mean) / torch.tensor(std))[:, None, None])
            self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(std))[:, None, None])

        def forward(self, images: Any) -> Any:
            pixels = images.permute(0, 3, 1, 2).float() * self.scale + self.shift  # (n, 3, h, w)
            return torch.nn.functional.normalize(self.visual(pixels), dim=-1)

    class Text(module_class):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: Any) -> Any:
            return self.model.encode_text(tokens, normalize=True)

    picture = torch.zeros((2, image_size, image_size, 3), dtype=torch.uint8)
    tokens = torch.ones((2, context_length), dtype=torch.long)
    tokens[:, -1] = 2
    with _tracing(torch, model):
        for name, module, example, feed in (
            ("vision.onnx", Vision(), picture, "images"),
            ("text.onnx", Text(), tokens, "tokens"),
        ):
            torch.onnx.export(
                module.eval(),
                (example,),
                str(folder / name),
                input_names=[feed],
                output_names=["embedding"],
                dynamic_axes={feed: {0: "n"}, "embedding": {0: "n"}},
                opset_version=17,
                dynamo=False,
            )


@contextlib.contextmanager
def _tracing(torch: Any, model: Any) -> Iterator[None]:
    """Plain attention (the fused kernel has no ONNX form), evaluation mode, and no chatter."""
    was_training, was_fast = model.training, torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    model.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)
        model.train(was_training)


def write_card(
    folder: Path,
    label: str,
    dim: int,
    image_size: int,
    calibration: tuple[float, float] | None = None,
    prompts: Mapping[str, str] | None = None,
) -> str:
    """Write `encoder.json`, which makes the folder an export; returns the encoder's unique name."""
    digest = hashlib.sha256()
    for name in ("vision.onnx", "text.onnx", "tokenizer.json"):
        digest.update((folder / name).read_bytes())
    name = f"{label}@{digest.hexdigest()[:12]}"
    card: dict[str, Any] = {"version": CARD_VERSION, "name": name, "dim": dim, "image_size": image_size}
    card["calibration"] = None if calibration is None else list(calibration)
    if prompts:
        card["prompts"] = dict(prompts)
    (folder / "encoder.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return name


def half_weights(path: Path) -> None:
    """Store a tower's weights in half precision; they are widened when it is loaded, so it computes as before."""
    onnx = _import_onnx()
    graph_model = onnx.load(str(path))
    graph = graph_model.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 1024:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
    onnx.checker.check_model(graph_model)
    onnx.save(graph_model, str(path))


def _quantise(path: Path) -> None:
    _import_onnx()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Convolutions stay in float32: their dynamic 8-bit form is slower and loses more than it saves.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_dynamic(
            str(path),
            str(path),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    half_weights(path)  # what is left: word embeddings, convolutions


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError("exports need onnx: pip install 'placecell[clip]'") from error
    return onnx


def _portable_tokenizer(encoder: OpenClipEncoder) -> Tokenizer:
    """CLIP's byte pairs as plain data; checked against the original on texts with accents, digits and symbols."""
    original = encoder._tokenizer
    ranks = getattr(original, "bpe_ranks", None)
    if ranks is None:
        raise ValueError(
            f"{encoder.name} does not use CLIP's byte-pair tokenizer, which is the one that can be exported"
        )
    tokenizer = BpeTokenizer.from_merges(sorted(ranks, key=ranks.__getitem__), encoder.context_length)
    texts = ["A photo of 12 cats, isn't it?", "naïve café — déjà vu", "日本語 & emoji 😀", "x" * 400]
    if not np.array_equal(tokenizer(texts), original(texts).numpy()):
        raise ValueError(f"the tokens of {encoder.name} cannot be reproduced without open_clip")
    return tokenizer


def _compare(
    encoder: OpenClipEncoder,
    export: OnnxEncoder,
    int8: bool,
    images: Sequence[np.ndarray] | None,
    texts: Sequence[str],
) -> ParityReport:
    pictures = list(probe_images(32, encoder.image_size) if images is None else images)
    seconds = []
    vectors = []
    for one in (encoder, export):
        one.encode_images(pictures[:2])  # the first run allocates
        start = time.process_time()
        image_vectors = one.encode_images(pictures)
        seconds.append((time.process_time() - start) / len(pictures))
        vectors.append((image_vectors, one.encode_texts(list(texts))))
    (image_a, text_a), (image_b, text_b) = vectors
    image_cosine, text_cosine = (image_a * image_b).sum(1), (text_a * text_b).sum(1)
    cosines = image_a @ text_a.T
    agrees = cosines.argmax(1) == (image_b @ text_b.T).argmax(1)
    best = np.sort(cosines, axis=1)
    decided = best[:, -1] - best[:, -2] > 0.01
    return ParityReport(
        name=export.name,
        int8=int8,
        image_cosine_min=round(float(image_cosine.min()), 6),
        image_cosine_mean=round(float(image_cosine.mean()), 6),
        text_cosine_min=round(float(text_cosine.min()), 6),
        text_cosine_mean=round(float(text_cosine.mean()), 6),
        top1_agreement=float(agrees.mean()),
        top1_decided=float(agrees[decided].mean()) if decided.any() else None,
        torch_ms_per_image=round(1e3 * seconds[0], 3),
        onnx_ms_per_image=round(1e3 * seconds[1], 3),
        num_bytes=sum(file.stat().st_size for file in export.path.iterdir()),
    )

import json
import shutil

import numpy as np
import pytest

open_clip = pytest.importorskip("open_clip", reason="needs the [clip] extra")
onnx = pytest.importorskip("onnx", reason="needs the [clip] extra")
torch = pytest.importorskip("torch", reason="needs the [clip] extra")

from placecell.perception.encoders import BUILTIN_DIR, OnnxEncoder, OpenClipEncoder, open_encoder  # noqa: E402
from placecell.perception.export import export_encoder, half_weights, probe_images  # noqa: E402

pytestmark = pytest.mark.clip
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 3, "width": 128, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / "placecell-export.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "placecell-export.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model("placecell-export").state_dict(), folder / "weights.pt")
    return "placecell-export", folder / "weights.pt"


@pytest.fixture(scope="module")
def exports(tmp_path_factory, model):
    """A float32 export, and an int8 one that was written over a copy of it."""
    folder = tmp_path_factory.mktemp("exports")
    full = export_encoder(model[0], folder / "full", checkpoint=model[1])
    shutil.copytree(folder / "full", folder / "small")
    small = export_encoder(model[0], folder / "small", checkpoint=model[1], int8=True)
    return {False: (full, folder / "full"), True: (small, folder / "small")}


@pytest.mark.parametrize(("int8", "floor"), [(False, 0.9999), (True, 0.98)])
def test_an_export_agrees_with_its_model(exports, model, int8, floor):
    report, folder = exports[int8]
    assert report.image_cosine_min > floor and report.text_cosine_min > floor
    assert report.top1_decided in (None, 1.0) and report.int8 == int8
    assert json.loads((folder / "parity.json").read_text()) == report.to_dict()
    export = open_encoder(str(folder))
    original = OpenClipEncoder(model[0], checkpoint=model[1], precision="fp32")
    images, texts = probe_images(9, 64, seed=5), ["isn't it a naïve café?", "12 red cars & 日本"]
    assert (export.encode_images(images) * original.encode_images(images)).sum(1).min() > floor
    assert (export.encode_texts(texts) * original.encode_texts(texts)).sum(1).min() > floor
    assert export.name == report.name != original.name
    assert "\n" not in report.summary() and report.name in report.summary()


def test_int8_is_smaller_and_replaces_an_export_as_a_whole(exports):
    (full, _), (small, folder) = exports[False], exports[True]
    assert small.num_bytes < 0.6 * full.num_bytes
    assert OnnxEncoder(folder).name == small.name != full.name
    assert sorted(path.name for path in folder.parent.iterdir()) == ["full", "small"]


def test_a_folder_with_other_things_is_left_alone(tmp_path, model):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another place"):
        export_encoder(model[0], tmp_path / "out", checkpoint=model[1])
    assert (tmp_path / "out" / "diary.txt").read_text() == "mine"


def test_half_weights_halve_the_file_and_keep_the_vectors(tmp_path, exports):
    shutil.copytree(exports[False][1], tmp_path / "out")
    before = OnnxEncoder(tmp_path / "out").encode_images(probe_images(6, 64))
    size = (tmp_path / "out" / "vision.onnx").stat().st_size
    half_weights(tmp_path / "out" / "vision.onnx")
    assert (tmp_path / "out" / "vision.onnx").stat().st_size < 0.6 * size
    after = OnnxEncoder(tmp_path / "out").encode_images(probe_images(6, 64))
    assert (before * after).sum(1).min() > 0.9999


def test_the_builtin_config_builds_the_builtin_model():
    config = json.loads((BUILTIN_DIR / "open_clip_config.json").read_text())
    model = open_clip.model.CLIP(**config)
    weights = sum(tensor.numel() for tensor in model.state_dict().values())
    stored = 0
    for tower in ("vision.onnx", "text.onnx"):
        stored += sum(int(np.prod(t.dims)) for t in onnx.load(str(BUILTIN_DIR / tower)).graph.initializer)
    assert abs(weights - stored) < 0.05 * weights

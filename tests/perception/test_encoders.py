import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from placecell.envs.house import HouseEnv
from placecell.errors import ModelUnavailableError, UnknownWordError
from placecell.geometry import look_at
from placecell.perception.encoders import (
    BUILTIN_DIR,
    ENCODER_VARIABLE,
    Encoder,
    OnnxEncoder,
    OpenClipEncoder,
    list_encoders,
    open_encoder,
    zero_shot,
)
from placecell.perception.tiles import cut_square


@pytest.fixture(scope="module")
def builtin():
    return OnnxEncoder(threads=1)


def pictures(num, sizes=((96, 96),), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*sizes[i % len(sizes)], 3), dtype=np.uint8) for i in range(num)]


def test_the_builtin_encoder_keeps_the_contract(builtin):
    assert isinstance(builtin, Encoder)
    images = builtin.encode_images(pictures(5, ((96, 96), (31, 77), (1, 1))))
    texts = builtin.encode_texts(["a red mug", "the kitchen", "something blue"])
    for vectors, n in ((images, 5), (texts, 3)):
        assert vectors.shape == (n, builtin.dim) and vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    scale, bias = builtin.calibration
    assert scale > 0 > bias
    assert "@" in builtin.name and set(builtin.prompts) >= {"object", "colour", "room"}


def test_a_vector_does_not_depend_on_its_batch(builtin):
    images = pictures(7)
    together = builtin.encode_images(images)
    small = OnnxEncoder(threads=1, batch=2)
    assert np.allclose(small.encode_images(np.stack(images)), together, atol=1e-4)
    assert np.allclose(builtin.encode_images(images[3:4])[0], together[3], atol=1e-4)
    assert builtin.encode_images([]).shape == (0, builtin.dim) and builtin.encode_texts([]).shape == (0, builtin.dim)


def test_two_wordings_are_nearer_than_two_things(builtin):
    vectors = builtin.encode_texts(
        ["a red mug", "when did I see the mug that is red?", "a blue mug", "a red sofa", "a red couch"]
    )
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > max(cosine[0, 2], cosine[0, 3]) and cosine[3, 4] > cosine[3, 0]


def test_it_names_things_and_colours_of_a_house_that_it_never_saw(builtin):
    env = HouseEnv(seed=1_000_123, resolution=(256, 256))
    env.reset(seed=0)
    crops, names, colours = [], [], []
    for thing in env.house.objects[::2]:
        eye = env.pathfinder.snap_point(thing.centre_m * (1, 0, 1) + np.array([0.9, 0, 0.7]))
        rgb, _, ids = env.render_at(look_at(eye + np.array([0, 0.88, 0]), thing.centre_m))
        y, x = np.nonzero(ids == thing.id)
        if thing.colour_asked and len(x) > 600 and max(np.ptp(x), np.ptp(y)) < 200:
            box = tuple(float(v) for v in (x.min(), y.min(), x.max() + 1, y.max() + 1))
            crops.append(cut_square(rgb, box))
            names.append(thing.category)
            colours.append(thing.colour)
    assert len(crops) > 10
    said, _ = zero_shot(builtin, crops, sorted(set(names)), "object")
    painted, _ = zero_shot(builtin, crops, sorted(set(colours)), "colour")
    assert np.mean([a == b for a, b in zip(said, names, strict=True)]) > 0.8
    assert np.mean([a == b for a, b in zip(painted, colours, strict=True)]) > 0.8


def test_words_that_it_never_learned_are_reported(builtin):
    assert builtin.unknown_words("a red giraffe in the kitchen") == ("giraffe",)
    with pytest.raises(UnknownWordError, match="giraffe"):
        builtin.encode_texts(["a red mug", "a red giraffe"])


@pytest.mark.parametrize("bad", [
    [np.zeros((4, 4), np.uint8)], [np.zeros((4, 4, 3), np.float32)], [np.zeros((0, 4, 3), np.uint8)],
    np.zeros((2, 96, 96, 3), np.float32), [np.zeros((4, 4, 4), np.uint8)],
])  # fmt: skip
def test_pictures_of_the_wrong_shape_or_type_are_refused(builtin, bad):
    with pytest.raises(ValueError, match="uint8"):
        builtin.encode_images(bad)


def test_one_string_is_no_sequence_of_texts(builtin):
    with pytest.raises(TypeError, match="wrap it in a list|Sequence"):
        builtin.encode_texts("a red mug")


def test_the_package_of_the_builtin_encoder_is_small_and_complete():
    files = {path.name: path.stat().st_size for path in BUILTIN_DIR.iterdir()}
    assert set(files) >= {"vision.onnx", "text.onnx", "tokenizer.json", "encoder.json", "MODEL_CARD.md"}
    assert sum(files.values()) <= 16e6


def test_a_question_is_encoded_soon_after_start_without_torch():
    code = (
        "import sys; from placecell.perception.encoders import open_encoder; e = open_encoder('builtin'); "
        "e.encode_texts(['a red mug']); assert 'torch' not in sys.modules and 'open_clip' not in sys.modules; "
        "import time; print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5  # seconds of the processor, interpreter and numpy included


def test_auto_takes_what_is_configured_else_the_builtin_one_with_a_notice(monkeypatch, tmp_path, builtin):
    monkeypatch.delenv(ENCODER_VARIABLE, raising=False)
    found = open_encoder()
    assert found.name == builtin.name and "rendered houses only" in found.notice and "\n" not in found.notice
    copy = tmp_path / "export"
    shutil.copytree(BUILTIN_DIR, copy)
    monkeypatch.setenv(ENCODER_VARIABLE, str(copy))
    configured = open_encoder("auto")
    assert configured.path == copy and configured.notice == ""


@pytest.mark.parametrize("name", ["nonsense", "open-clip", "/no/such/folder", ""])
def test_a_name_that_is_no_encoder_lists_what_is_possible(name):
    with pytest.raises(ValueError, match="expected auto, builtin"):
        open_encoder(name)


def test_the_list_names_what_there_is(monkeypatch, builtin):
    monkeypatch.setenv(ENCODER_VARIABLE, "open_clip:ViT-B-32")
    rows = list_encoders()
    assert [row["name"] for row in rows][:2] == ["builtin", "auto"] and builtin.name in rows[0]["what"]
    assert "open_clip:ViT-B-32" in rows[1]["what"]


def damage_missing(folder):
    (folder / "text.onnx").unlink()


def damage_card(folder):
    (folder / "encoder.json").write_text("{")


def damage_version(folder):
    card = json.loads((folder / "encoder.json").read_text())
    (folder / "encoder.json").write_text(json.dumps({**card, "version": 99}))


def damage_all(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_missing, "lacks text.onnx"),
        (damage_card, "damaged"),
        (damage_version, "newer"),
        (damage_all, "holds no"),
    ],
)
def test_a_damaged_export_says_what_is_wrong(tmp_path, damage, says):
    folder = tmp_path / "export"
    shutil.copytree(BUILTIN_DIR, folder)
    damage(folder)
    with pytest.raises(ModelUnavailableError, match=says) as caught:
        OnnxEncoder(folder)
    assert "\n" not in str(caught.value)


def test_a_truncated_tower_says_so_in_one_line(tmp_path):
    folder = tmp_path / "export"
    shutil.copytree(BUILTIN_DIR, folder)
    (folder / "vision.onnx").write_bytes((BUILTIN_DIR / "vision.onnx").read_bytes()[:1000])
    with pytest.raises(ModelUnavailableError, match="does not load") as caught:
        OnnxEncoder(folder).encode_images(pictures(1))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelUnavailableError, match="no encoder at"):
        OnnxEncoder(tmp_path / "nothing")


def test_exports_in_the_layouts_of_others_are_read(tmp_path, builtin):
    onnx = pytest.importorskip("onnx", reason="needs the [clip] extra")
    helper, kinds = onnx.helper, onnx.TensorProto
    (tmp_path / "onnx").mkdir()
    shutil.copy(BUILTIN_DIR / "tokenizer.json", tmp_path / "tokenizer.json")

    def tower(name, feed, shape, kind, axes):
        value = helper.make_tensor_value_info(feed, kind, shape)
        out = helper.make_tensor_value_info("image_embeds" if axes == [2, 3] else "text_embeds", kinds.FLOAT, ["n", 3])
        nodes = [
            helper.make_node("Cast", [feed], ["float"], to=kinds.FLOAT),
            helper.make_node("Slice", ["float", "zero", "three", "axis"], ["cut"]),
            helper.make_node("ReduceMean", ["cut"], [out.name], axes=axes, keepdims=0)
            if axes == [2, 3]
            else helper.make_node("Identity", ["cut"], [out.name]),
        ]
        numbers = [
            onnx.numpy_helper.from_array(np.array([v], np.int64), n)
            for n, v in (("zero", 0), ("three", 3), ("axis", 1))
        ]
        graph = helper.make_graph(nodes, name, [value], [out], numbers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, str(tmp_path / "onnx" / f"{name}.onnx"))

    tower("vision_model", "pixel_values", ["n", 3, 8, 8], kinds.FLOAT, [2, 3])
    tower("text_model", "input_ids", ["n", 12], kinds.INT64, [1])
    config = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "crop_size": {"height": 8, "width": 8}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    encoder = OnnxEncoder(tmp_path)
    assert (encoder.dim, encoder.image_size, encoder.calibration) == (3, 8, None)
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 0] = 255
    assert np.allclose(encoder.encode_images([red]), np.array([[1, -1, -1]]) / np.sqrt(3), atol=1e-5)
    assert encoder.encode_texts(["a red mug"]).shape == (1, 3)


def test_a_hub_name_that_cannot_be_fetched_says_how_to_get_it(monkeypatch):
    pytest.importorskip("huggingface_hub", reason="needs the hub's client")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailableError, match="pass its folder, or use the built-in") as caught:
        open_encoder("hf-hub:nobody/nothing")
    assert "\n" not in str(caught.value)


def test_without_torch_open_clip_models_say_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['open_clip'] = None\n"
        "from placecell.perception.encoders import open_encoder\n"
        "from placecell.errors import MissingDependencyError\n"
        "try: open_encoder('open_clip:ViT-B-32')\n"
        "except MissingDependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'placecell[clip]'" in done.stdout and done.stdout.count("\n") == 1


TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model of open_clip small enough for tests, and a checkpoint of it."""
    open_clip = pytest.importorskip("open_clip", reason="needs the [clip] extra")
    torch = pytest.importorskip("torch", reason="needs the [clip] extra")
    folder = tmp_path_factory.mktemp("tiny")
    config = folder / "placecell-tiny.json"
    config.write_text(json.dumps(TINY))
    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.create_model("placecell-tiny")
    torch.save(model.state_dict(), folder / "tiny.pt")
    return "placecell-tiny", folder / "tiny.pt"


@pytest.mark.clip
def test_open_clip_models_keep_the_contract_and_load_checkpoints(tiny):
    model, checkpoint = tiny
    first = OpenClipEncoder(model, checkpoint=checkpoint, precision="fp32")
    again = open_encoder(f"open_clip:{model}/{checkpoint}")
    assert isinstance(first, Encoder) and first.name == again.name
    assert OpenClipEncoder(model, pretrained="none").name != first.name
    images = pictures(5, ((32, 32), (50, 20)))
    vectors = first.encode_images(images)
    assert vectors.shape == (5, 32) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([first.encode_images([image]) for image in images])
    assert np.allclose(vectors, one_by_one, atol=1e-4)
    assert first.encode_texts(["a giraffe"]).shape == (1, 32) and first.unknown_words("a giraffe") == ()
    assert first.calibration is None


@pytest.mark.clip
def test_bf16_points_the_same_way(tiny):
    model, checkpoint = tiny
    full = OpenClipEncoder(model, checkpoint=checkpoint, precision="fp32")
    half = OpenClipEncoder(model, checkpoint=checkpoint, precision="bf16")
    assert half.precision == "bf16" and half.name == full.name
    images = pictures(8, ((32, 32),))
    assert (full.encode_images(images) * half.encode_images(images)).sum(1).min() > 0.995
    assert (full.encode_texts(["a cat", "the sea"]) * half.encode_texts(["a cat", "the sea"])).sum(1).min() > 0.995


@pytest.mark.clip
@pytest.mark.parametrize(("kwargs", "error", "says"), [
    ({"model": "ViT-B-33"}, ValueError, "did you mean"),
    ({"model": "ViT-B-32", "pretrained": "nonsense"}, ValueError, "it has openai"),
    ({"model": "ViT-B-32", "checkpoint": "/no/such/file.pt"}, ModelUnavailableError, "no checkpoint at"),
    ({"model": "ViT-B-32", "pretrained": "openai", "checkpoint": "x"}, ValueError, "not both"),
    ({"model": "ViT-B-32", "precision": "int3"}, ValueError, "fp32 or bf16"),
])  # fmt: skip
def test_what_open_clip_does_not_have_is_named(kwargs, error, says):
    pytest.importorskip("open_clip", reason="needs the [clip] extra")
    with pytest.raises(error, match=says):
        OpenClipEncoder(**kwargs)


@pytest.mark.clip
def test_weights_that_cannot_be_fetched_say_how_to_get_them(monkeypatch, tmp_path, tiny):
    pytest.importorskip("open_clip", reason="needs the [clip] extra")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="--checkpoint.*--encoder builtin") as caught:
        OpenClipEncoder("ViTamin-S", pretrained="datacomp1b")
    assert "\n" not in str(caught.value) and time.monotonic() - start < 20
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"no weights")
    with pytest.raises(ModelUnavailableError, match="does not load as"):
        OpenClipEncoder(tiny[0], checkpoint=wrong)

import json

import numpy as np
import pytest

from placecell.errors import ModelUnavailableError
from placecell.geometry import Camera
from placecell.perception.encoders import OnnxEncoder
from placecell.perception.objects import Detector, open_detector
from placecell.perception.open_vocabulary import OpenVocabularyDetector, cut_box, keep_best


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An OWLv2 with random weights, and a processor that knows letters: the real code, nothing fetched."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("owl")
    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        str(path / "vocab.json"), str(path / "merges.txt"), pad_token="<|endoftext|>", model_max_length=16
    )
    end = len(words) - 1
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Owlv2Config(
        text_config={
            **shape,
            "vocab_size": len(words),
            "max_position_embeddings": 16,
            "pad_token_id": end,
            "bos_token_id": end - 1,
            "eos_token_id": end,
        },
        vision_config={**shape, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    transformers.Owlv2ForObjectDetection(config).save_pretrained(path)
    picture = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(picture, tokenizer).save_pretrained(path)
    return path


@pytest.mark.detect
def test_a_zero_shot_detector_gives_detections_with_the_names_asked_for(folder):
    encoder = OnnxEncoder(threads=1)
    names = ["mug", "zebra crossing"]  # the second holds words that the encoder never learned: it only sees crops
    detector = OpenVocabularyDetector(folder, names, encoder, threshold=0.0)
    assert isinstance(detector, Detector) and not detector.is_privileged
    camera = Camera(128, 96)
    rgb = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    found = detector.detect(rgb, np.full((96, 128), 2.0, np.float32), camera, np.eye(4))
    assert found and all(thing.labels[0][0] in names and 0 <= thing.confidence <= 1 for thing in found)
    assert all(thing.embedding.shape == (encoder.dim,) and thing.source == detector.name for thing in found)
    assert [thing.num_px for thing in found] == sorted((thing.num_px for thing in found), reverse=True)
    assert all(abs(thing.position_m[2] + 2.0) < 1e-5 for thing in found)
    assert detector.detect(rgb, np.zeros((96, 128), np.float32), camera, np.eye(4)) == []
    strict = OpenVocabularyDetector(folder, names, encoder, threshold=1.0)
    assert strict.detect(rgb, np.ones((96, 128), np.float32), camera, np.eye(4)) == []


@pytest.mark.detect
def test_weights_that_are_not_there_are_one_clear_line(tmp_path, folder):
    with pytest.raises(ModelUnavailableError, match="cannot be had"):
        open_detector(f"open_vocabulary:{tmp_path / 'nothing'}", OnnxEncoder(threads=1))
    detector = open_detector(f"open_vocabulary:{folder}", OnnxEncoder(threads=1), {11: "mug", 12: "sofa", 13: "mug"})
    assert detector.names == ("mug", "sofa")
    for wrong in ({"names": []}, {"names": "mug"}, {"names": ["mug"], "threshold": 2.0}):
        with pytest.raises((ValueError, TypeError)):
            OpenVocabularyDetector(folder, **wrong)


def test_a_box_is_cut_along_the_jumps_of_depth():
    rng = np.random.default_rng(1)
    for _ in range(20):
        depth = np.full((60, 80), 4.0, np.float32)
        x, y = rng.integers(5, 40, 2)
        w, h = rng.integers(8, 20, 2)
        depth[y : y + h, x : x + w] = 2.0 + 0.001 * np.arange(w)[None]
        mask = cut_box(depth, np.array([x - 3, y - 3, x + w + 3, y + h + 3], float))
        expected = np.zeros((60, 80), bool)
        expected[y : min(y + h, 60), x : x + w] = True
        assert (mask == expected).all()
    assert not cut_box(np.zeros((10, 10), np.float32), np.array([0.0, 0.0, 10.0, 10.0])).any()
    assert not cut_box(np.ones((10, 10), np.float32), np.array([20.0, 20.0, 30.0, 30.0])).any()


def test_kept_boxes_are_the_best_and_do_not_cover_each_other():
    rng = np.random.default_rng(2)
    corners = rng.uniform(0, 80, (60, 2))
    boxes, scores = np.concatenate([corners, corners + rng.uniform(5, 40, (60, 2))], axis=1), rng.random(60)

    def overlap(a, b):
        low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
        shared = np.prod(np.maximum(high - low, 0))
        return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)

    kept = keep_best(boxes, scores, 0.3)
    assert kept[0] == scores.argmax() and (np.diff(scores[kept]) <= 0).all()
    for i in range(60):
        better = [k for k in kept if scores[k] > scores[i]]
        assert (i in kept) == all(overlap(boxes[i], boxes[k]) <= 0.3 for k in better)

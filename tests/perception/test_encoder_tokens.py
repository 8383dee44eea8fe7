import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from placecell.errors import UnknownWordError
from placecell.perception.tokens import STOP_WORDS, BpeTokenizer, WordTokenizer, singular, tokenizer_from_json
from placecell.perception.vocabulary import COLOUR_WORDS, NOUNS, ROOM_WORDS, SPELLINGS, Phrases, vocabulary

WORDS = vocabulary()
TOKENIZER = WordTokenizer(WORDS, 12, SPELLINGS)
SAFE = [word for word in WORDS if not word.endswith("s")]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=10))
@settings(deadline=None)
def test_known_words_keep_their_order_and_end_with_the_highest_id(words):
    row = TOKENIZER([" ".join(words)])[0]
    assert row[0] == TOKENIZER.start_id and row.max() == TOKENIZER.end_id
    assert [TOKENIZER.words[i - 1] for i in row[1 : len(words) + 1]] == words
    assert row[len(words) + 1] == TOKENIZER.end_id and not row[len(words) + 2 :].any()


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.lists(st.sampled_from(sorted(STOP_WORDS)), max_size=6)
)
@settings(deadline=None)
def test_stop_words_case_and_punctuation_change_nothing(words, stops):
    noisy = "? ".join([*stops, *words]).upper() + "!"
    assert np.array_equal(TOKENIZER([noisy]), TOKENIZER([" ".join(words)]))


@given(st.sampled_from(SAFE))
@settings(deadline=None)
def test_plurals_and_possessives_read_as_the_singular(word):
    if word + "s" not in WORDS:
        assert np.array_equal(TOKENIZER([word + "s"]), TOKENIZER([word]))
        assert np.array_equal(TOKENIZER([word + "'s"]), TOKENIZER([word]))
    assert singular(word, WORDS) == word


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_word_nobody_taught_is_reported_and_never_embedded(word):
    assume(word not in WORDS and word not in STOP_WORDS and singular(word, WORDS) is None)
    assert TOKENIZER.unknown_words(f"a red {word}") == (word,)
    with pytest.raises(UnknownWordError, match="does not know the word"):
        TOKENIZER([f"a red {word}"])


def test_the_complaint_is_one_line_with_near_words_for_every_unknown_one():
    with pytest.raises(UnknownWordError) as caught:
        TOKENIZER(["a gren girafe on the tabel"])
    message = str(caught.value)
    assert "green" in message and "table" in message and "girafe" in message and "\n" not in message


@pytest.mark.parametrize("text", ["", "   ", "when did I see it?", "?!"])
def test_a_text_that_names_nothing_is_refused(text):
    with pytest.raises(UnknownWordError, match="names nothing"):
        TOKENIZER([text])
    assert TOKENIZER.unknown_words(text) == ()


def test_a_text_with_too_many_words_is_refused_rather_than_cut():
    with pytest.raises(ValueError, match="10 words"):
        TOKENIZER(["red " * 11])


def test_every_caption_of_training_is_in_the_vocabulary():
    say = Phrases(np.random.default_rng(0))
    texts = [say.room(room) for room in ROOM_WORDS] + [say.thing(None, colour) for colour in COLOUR_WORDS]
    for category in NOUNS:
        for colour in [None, *COLOUR_WORDS]:
            texts += [say.thing(category, colour), say.thing(category, colour, close=True)]
        texts += [say.thing_in_room(category, room) for room in ROOM_WORDS]
    assert (TOKENIZER(texts)[:, 1] > 0).all()


@pytest.mark.parametrize("make", ["words", "bpe"])
def test_tokenizers_survive_their_file(tmp_path, make):
    merges = [("r", "e"), ("re", "d</w>"), ("m", "u"), ("mu", "g</w>")]
    tokenizer = TOKENIZER if make == "words" else BpeTokenizer.from_merges(merges, 16)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer.to_dict()))
    again = tokenizer_from_json(path)
    assert np.array_equal(again(["red mug", "mugs red"]), tokenizer(["red mug", "mugs red"]))


def test_byte_pairs_are_merged_by_rank_and_long_texts_keep_their_end():
    merges = [("r", "e"), ("re", "d</w>")]
    tokenizer = BpeTokenizer.from_merges(merges, 6)
    names = {i: token for token, i in tokenizer.vocabulary.items()}
    assert [names[i] for i in tokenizer(["Red"])[0][:3]] == [BpeTokenizer.START, "red</w>", BpeTokenizer.END]
    long = tokenizer(["x" * 50])[0]
    assert len(long) == 6 and long[-1] == tokenizer.end_id
    assert tokenizer.unknown_words("anything at all") == ()


def test_hub_tokenizers_of_either_merge_style_are_read(tmp_path):
    merges = [("r", "e"), ("re", "d</w>")]
    ours = BpeTokenizer.from_merges(merges, 8)
    for style in (["r e", "re d</w>"], [list(pair) for pair in merges]):
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps({"model": {"type": "BPE", "vocab": ours.vocabulary, "merges": style}}))
        assert np.array_equal(tokenizer_from_json(path, 8)(["red herring"]), ours(["red herring"]))


@pytest.mark.parametrize("text", ["{", "{}", '{"kind": "runes"}'])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, text):
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="tokenizer|JSON"):
        tokenizer_from_json(path)


@pytest.mark.clip
def test_byte_pairs_equal_those_of_open_clip():
    tokenizer = pytest.importorskip("open_clip.tokenizer", reason="needs the [clip] extra").SimpleTokenizer()
    ours = BpeTokenizer.from_merges(sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__))
    texts = [
        "a photo of a cat", "When did I see the KEYS? it's 1234 o'clock!!", "naïve café — déjà vu", "日本語 テスト",
        "x" * 500, "red   mug's &amp; I'll", "", "emoji 😀 test\n\ttabs", "½ ² Ⅷ", "don't'stop 'tis", "it’s “curly”",
    ]  # fmt: skip
    assert np.array_equal(ours(texts), tokenizer(texts).numpy())

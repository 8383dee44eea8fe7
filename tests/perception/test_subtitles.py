"""SubRip, WebVTT and tracks inside videos; broken rows; finding the file beside a video."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placecell.errors import PlacecellError, VideoError
from placecell.perception.clips import VideoWriter
from placecell.perception.subtitles import Cue, find_sidecar, parse_subtitles, read_embedded, read_subtitles
from placecell.perception.video import Video

SRT = """1
00:00:01,000 --> 00:00:02,500
<font color="#ffffff">The <b>keys</b> are</font>
on the shelf

2
01:00:03,250 --> 01:00:04,000 X1:10 X2:20
{\\an8}Tea &amp; cake &lt;3

"""
VTT = """WEBVTT - a talk
Kind: captions

STYLE
::cue { color: red }

NOTE 00:09.000 --> 00:10.000
not shown

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>The <c.loud>keys</c> are
on the <00:02.000>shelf

3600:00:03.250 --> 3600:00:04.000
Tea &amp; cake &lt;3
"""


def test_subrip() -> None:
    assert parse_subtitles(SRT).cues == (
        Cue(1.0, 2.5, "The keys are\non the shelf"),
        Cue(3603.25, 3604.0, "Tea & cake <3"),
    )


def test_webvtt() -> None:
    read = parse_subtitles(VTT)
    assert read.cues == (
        Cue(1.0, 2.5, "The keys are\non the shelf"),
        Cue(3600 * 3600 + 3.25, 3600 * 3600 + 4.0, "Tea & cake <3"),
    )
    assert not read.skipped and read.skipped_line == ""


def test_broken_rows_are_skipped_and_listed_and_the_rest_is_kept() -> None:
    text = """1
00:00:01,000 --> 00:00:02,000
first

2
00:00:xx,000 --> 00:00:04,000
lost

3
00:00:09,000 --> 00:00:05,000
backwards

4
00:75:00,000 --> 00:76:00,000
no such minute
5
00:00:10.5 -> 00:00:11,000
last
6
00:00:12,000 --> 00:00:13,000
no empty row before
"""
    read = parse_subtitles(text)
    assert [(cue.start_s, cue.text) for cue in read] == [(1.0, "first"), (10.5, "last"), (12.0, "no empty row before")]
    assert [number for number, _ in read.skipped] == [6, 10, 14]
    assert "3 broken subtitle rows skipped, the first in line 6" in read.skipped_line


@pytest.mark.parametrize("text", ["", "\n\n", "WEBVTT\n", "WEBVTT\n\nNOTE only this\n"])
def test_empty_files_have_no_cues(text: str) -> None:
    assert parse_subtitles(text) == parse_subtitles("")
    assert len(parse_subtitles(text)) == 0


def test_text_that_is_no_subtitles_is_reported() -> None:
    read = parse_subtitles("Dear Ann,\nhow are you?\n")
    assert not read.cues
    assert read.skipped == ((1, "Dear Ann,"),)


def test_cues_come_in_the_order_of_time() -> None:
    read = parse_subtitles("00:05.000 --> 00:06.000\nb\n\n00:01.000 --> 00:02.000\na\n")
    assert [cue.text for cue in read] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nSchlüssel für Ångström\n"
    raw = text.replace("\n", newline).encode(encoding)
    if encoding == "utf-16-le":
        raw = b"\xff\xfe" + raw
    (tmp_path / "a.srt").write_bytes(raw)
    assert read_subtitles(tmp_path / "a.srt").cues == (Cue(1.0, 2.0, "Schlüssel für Ångström"),)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**7),
            st.integers(0, 10**5),
            st.from_regex(r"[A-Za-z][A-Za-z ,.!?]{0,20}[A-Za-z]", fullmatch=True),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_what_was_written_is_read(rows: list[tuple[int, int, str]], is_vtt: bool) -> None:
    def clock(millis: int) -> str:
        seconds, millis = divmod(millis, 1000)
        point = "." if is_vtt else ","
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{millis:03d}"

    text = "WEBVTT\n\n" if is_vtt else ""
    for i, (start, length, words) in enumerate(rows):
        text += f"{i + 1}\n{clock(start)} --> {clock(start + length)}\n{words}\n\n"
    expected = sorted((s / 1000, (s + n) / 1000, " ".join(w.split())) for s, n, w in rows)
    assert sorted((c.start_s, c.end_s, c.text) for c in parse_subtitles(text)) == expected


@given(st.text(alphabet="0123456789:,.->\n <WEBVT/{}&;", max_size=200))
def test_nothing_breaks_the_reader(text: str) -> None:
    for cue in parse_subtitles(text):
        assert cue.end_s >= cue.start_s >= 0 and cue.text


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    (tmp_path / "zeros.srt").write_bytes(bytes(100))
    for path, message in [
        (tmp_path / "none.srt", "no such subtitle file"),
        (tmp_path, "this is a folder"),
        (tmp_path / "zeros.srt", "expected subtitles as text"),
    ]:
        with pytest.raises(PlacecellError, match=message) as caught:
            read_subtitles(path)
        assert "\n" not in str(caught.value)


def test_sidecar(tmp_path: Path) -> None:
    movie = tmp_path / "movie.part1.mp4"
    assert find_sidecar(movie) is None
    for name in ["movie.srt", "movie.part1.director.notes.srt", "movie.part10.srt", "movie.part1.de.srt"]:
        (tmp_path / name).touch()
    assert find_sidecar(movie) == tmp_path / "movie.part1.de.srt"
    (tmp_path / "movie.part1.en.vtt").touch()
    assert find_sidecar(movie, "en") == tmp_path / "movie.part1.en.vtt"
    (tmp_path / "movie.part1.srt").touch()
    assert find_sidecar(movie) == tmp_path / "movie.part1.srt"
    assert find_sidecar(movie, "en") == tmp_path / "movie.part1.en.vtt"
    assert find_sidecar(tmp_path / "nowhere" / "x.mp4") is None


def mux_subtitles(path: Path, codec: str, cues: list[Cue]) -> None:
    """A short video with a subtitle track; the text goes in as the container stores it."""
    plain = path.with_name("plain.mp4")
    with VideoWriter(plain, fps=10, size=(64, 48)) as writer:
        for _ in range(80):
            writer.write(np.full((48, 64, 3), 90, np.uint8))
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        track = target.add_mux_stream(codec)
        track.time_base = Fraction(1, 1000)
        track.metadata["language"] = "eng"
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        for cue in cues:
            text = cue.text.encode()
            if codec == "mov_text":
                text = len(text).to_bytes(2, "big") + text
            packet = av.Packet(text)
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.pts = packet.dts = round(cue.start_s * 1000)
            packet.duration = round((cue.end_s - cue.start_s) * 1000)
            target.mux(packet)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "webvtt")])
def test_tracks_inside_videos(tmp_path: Path, suffix: str, codec: str) -> None:
    cues = [Cue(1.0, 2.5, "The keys, I think,\nare on the shelf"), Cue(4.0, 5.25, "Tea")]
    path = tmp_path / f"talk{suffix}"
    mux_subtitles(path, codec, cues)
    assert read_embedded(path).cues == tuple(cues)
    with Video.open(path) as video:
        (track,) = video.info.subtitle_tracks
        assert (track.track, track.codec.replace("srt", "subrip"), track.language) == (0, codec, "eng")
    with pytest.raises(VideoError, match="no subtitle track 1, the file has 1"):
        read_embedded(path, 1)


def test_styled_tracks_give_plain_text(tmp_path: Path) -> None:
    (tmp_path / "talk.ass").write_text(
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
        "Style: Default,Arial,16\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}The keys{\\i0}, I think,\\Nare on the shelf\n"
    )
    with av.open(str(tmp_path / "talk.ass")) as source, av.open(str(tmp_path / "talk.mkv"), "w") as target:
        track = target.add_stream_from_template(source.streams.subtitles[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
    assert read_embedded(tmp_path / "talk.mkv").cues == (Cue(1.0, 2.5, "The keys, I think,\nare on the shelf"),)


def test_files_without_tracks_say_so(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(VideoError, match="not a video"):
        read_embedded(tmp_path / "x.mp4")
    with pytest.raises(VideoError):
        read_embedded(tmp_path / "none.mp4")

"""Videos, whole and broken, against what was written into them."""

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from services.speed.estimator import Frame
from services.speed.video import Limits, open_video
from shared.errors import DeadlinePassed, Malformed, TooLarge, Unprocessable, UnsupportedMedia
from tests.services.speed import clips


def read(data: bytes, limits: Limits | None = None, fps: float | None = None) -> tuple[list[Frame], list[str]]:
    with clips.upload(data).taken() as upload:
        video = open_video(upload, limits or Limits())
        try:
            return list(video.frames(fps)), video.warnings
        finally:
            video.close()


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp4", "mp4v"), ("mov", "mp4v"), ("avi", "MJPG"), ("mkv", "mp4v"), ("webm", "VP90")]
)
def test_frames_and_times(kind: str, codec: str) -> None:
    """What comes out is what went in but for the codec: within 10 grey levels on average."""
    frames, warnings = read(clips.video(8, kind, codec))
    assert [frame.time_s for frame in frames] == pytest.approx([k / clips.FPS for k in range(8)], abs=1e-3)
    for frame, grey in zip(frames, clips.pictures(8), strict=True):
        assert frame.grey.dtype == np.uint8
        assert frame.grey.shape == (clips.HEIGHT, clips.WIDTH)
        assert np.abs(frame.grey.astype(int) - grey).mean() < 10
    assert warnings == []


CODED: dict[str, dict[str, Any]] = {
    "H.264 with B-frames": {"options": {"bf": "3"}},
    "H.264 in MPEG-TS": {"kind": "ts", "options": {"bf": "3"}},
    "H.264 of 10 bits": {"pixels": "yuv420p10le"},
    "H.264 of full range": {"pixels": "yuvj420p"},
    "H.264, grey": {"pixels": "gray"},
    "H.264, odd": {"pixels": "yuv444p", "width": 161, "height": 97},
    "HEVC": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "HEVC of 10 bits": {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    "VP9, odd": {"codec": "libvpx-vp9", "kind": "webm", "width": 161, "height": 97},
    "AV1": {"codec": "libsvtav1", "kind": "mkv"},
    "AV1 of 10 bits": {"codec": "libsvtav1", "pixels": "yuv420p10le"},
    "MJPEG": {"codec": "mjpeg", "kind": "mov", "pixels": "yuvj422p", "options": {"qmax": "3"}},
    "MPEG-2": {"codec": "mpeg2video", "kind": "mpeg"},
    "MPEG-4 with B-frames in AVI": {"codec": "mpeg4", "kind": "avi", "options": {"bf": "2"}},
    "ProRes": {"codec": "prores_ks", "kind": "mov", "pixels": "yuv422p10le"},
    "FFV1 of 16 bits": {"codec": "ffv1", "kind": "mkv", "pixels": "gray16le"},
    "raw from the bottom up": {"codec": "rawvideo", "kind": "avi", "pixels": "bgr24"},
    "raw and packed": {"codec": "rawvideo", "kind": "avi", "pixels": "yuyv422"},
}


@pytest.mark.parametrize("case", CODED)
def test_whatever_the_codec_depth_and_range(case: str) -> None:
    """Within 5 grey levels on average of what was written: a range taken wrongly would be 9 off, a depth 60."""
    how = CODED[case]
    frames, warnings = read(clips.coded(8, **how))
    assert [frame.time_s for frame in frames] == pytest.approx([k / clips.FPS for k in range(8)], abs=2e-3)
    written = clips.pictures(8, how.get("width", clips.WIDTH), how.get("height", clips.HEIGHT))
    for frame, grey in zip(frames, written, strict=True):
        assert frame.grey.dtype == np.uint8
        assert np.abs(frame.grey.astype(int) - grey).mean() < 5
    assert warnings == []


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned(turn: int) -> None:
    upright, turned = (clips.coded(3, turn=each, options={"crf": "1"}) for each in (0, turn))
    frames, _ = read(turned)
    np.testing.assert_array_equal(frames[0].grey, np.rot90(read(upright)[0][0].grey, turn // 90))


def test_pixels_that_are_not_square() -> None:
    """A picture twice as wide as it is stored."""
    data = clips.coded(3, sample_aspect_ratio=Fraction(2), options={"crf": "1"})
    frame = read(data)[0][0].grey
    assert frame.shape == (clips.HEIGHT, 2 * clips.WIDTH)
    assert np.abs(frame[:, ::2].astype(int) - clips.pictures(3)[0]).mean() < 5
    with clips.upload(data).taken() as upload, pytest.raises(TooLarge, match="320 x 96"):
        open_video(upload, Limits(max_pixels=20_000))


def test_of_two_interlaced_fields_one_is_taken() -> None:
    """The lower field shows the scene ten pixels further on; what is measured is the upper one alone."""
    now, later = clips.pictures(6)[0], clips.pictures(6)[5]
    woven = now.copy()
    woven[1::2] = later[1::2]
    for options, off in (({"x264-params": "tff=1", "crf": "1"}, (0, 5)), ({"crf": "1"}, (10, 50))):
        frames, _ = read(clips.coded(shown=[woven] * 3, options=options))
        least, most = off
        assert least < np.abs(frames[0].grey.astype(int) - now)[:-1].mean() < most


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "mp4v"), ("avi", "MJPG"), ("mkv", "mp4v"), ("webm", "VP90")])
def test_the_number_of_frames_can_be_expected(kind: str, codec: str) -> None:
    with clips.upload(clips.video(8, kind, codec)).taken() as upload:
        video = open_video(upload, Limits())
        assert video.expected == pytest.approx(8, abs=1)
        video.close()


def test_fps_overrides_the_file() -> None:
    frames, _ = read(clips.video(4), fps=10)
    assert [frame.time_s for frame in frames] == [0, 0.1, 0.2, 0.3]


def test_variable_frame_rate() -> None:
    data = clips.video(5)
    tick = clips.ticks_per_frame(data)
    frames, warnings = read(clips.with_frame_times(data, [tick, 3 * tick, tick, 2 * tick, tick]))
    assert [frame.time_s * clips.FPS for frame in frames] == pytest.approx([0, 1, 4, 5, 7], abs=1e-6)
    assert warnings == []


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_times_that_begin_later_and_jump(kind: str) -> None:
    """Uneven times with B-frames between them, counted from the first frame, however late that comes."""
    times = [5000, 5040, 5080, 5200, 5210, 5300, 6300, 6310]
    frames, warnings = read(clips.coded(8, kind=kind, times=times, options={"bf": "2"}))
    assert [frame.time_s for frame in frames] == pytest.approx([each / 1000 - 5 for each in times], abs=1e-3)
    assert warnings == []


def test_what_an_edit_list_leaves_out_is_left_out() -> None:
    """Four frames before the time 0 that the file says to begin at."""
    frames, warnings = read(clips.coded(8, times=[-160, -120, -80, -40, 0, 40, 80, 120]))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12], abs=1e-3)
    assert np.abs(frames[0].grey.astype(int) - clips.pictures(8)[4]).mean() < 10
    assert "4 frames of the 8" in warnings[0]


def test_times_that_stand_still_are_repaired_and_said() -> None:
    data = clips.video(5)
    tick = clips.ticks_per_frame(data)
    frames, warnings = read(clips.with_frame_times(data, [tick, 0, 0, tick, tick]))
    times = [frame.time_s for frame in frames]
    assert all(later > sooner for sooner, later in pairwise(times))
    assert any("did not increase" in each for each in warnings)


def test_times_that_go_back_are_repaired_and_said() -> None:
    """Two recordings joined, the second with the times of the first."""
    frames, warnings = read(clips.coded(5, kind="ts") * 2)
    times = [frame.time_s for frame in frames]
    assert len(times) == 10
    assert all(later > sooner for sooner, later in pairwise(times))
    assert any("did not increase" in each for each in warnings)


def test_a_turned_video_is_shown_upright() -> None:
    frames, _ = read(clips.turned(clips.video(3)))
    assert frames[0].grey.shape == (clips.WIDTH, clips.HEIGHT)
    assert np.abs(np.rot90(frames[0].grey, 1).astype(int) - clips.pictures(3)[0]).mean() < 10


def test_cut_off_after_its_index_yields_what_there_is() -> None:
    data = clips.index_first(clips.video(40))
    assert len(read(data)[0]) == 40
    frames, warnings = read(data[: len(data) * 6 // 10])
    assert 2 <= len(frames) < 40
    assert f"cut off: {len(frames)} frames of the 40" in warnings[0]


@pytest.mark.parametrize(
    ("data", "error", "what"),
    [
        (b"", Malformed, "0 bytes"),
        (b"no video at all, but text", UnsupportedMedia, "no video"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", UnsupportedMedia, "no video"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", UnsupportedMedia, "no video"),
        (clips.image(), UnsupportedMedia, "no video"),
        (clips.without_index(clips.video()), Malformed, "moov"),
        (clips.video()[:60], Malformed, "moov"),
        (clips.video(1), Unprocessable, "one frame"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 400, Malformed, "matroska file cannot be decoded"),
        (clips.video(2, width=32, height=32), Unprocessable, "at least 64"),
        (clips.sound(), Unprocessable, "no video track"),
        (clips.sound("mkv"), Unprocessable, "no video track"),
        (clips.coded(0), Unprocessable, "no video track"),
        (clips.coded(0, kind="avi"), Unprocessable, "holds no frame"),
        (clips.coded(3, "png", "mov", "rgb24"), Unprocessable, "codec png, which is not decoded"),
        (clips.changing_size(), Unprocessable, "frame 4 is 176 x 96 .* 160 x 96"),
    ],
    ids=[
        *("empty", "text", "hls", "concat", "image", "no index", "head only", "one frame", "damaged", "tiny"),
        *("sound", "sound in Matroska", "no frames", "no frames in AVI", "still images", "changing size"),
    ],
)
def test_refusals(data: bytes, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        read(data)


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(max_pixels=10_000), "160 x 96 pixels; at most 10,000"),
        (Limits(max_frames=7), "more than the 7 frames"),
        (Limits(max_seconds=0.2), "longer than the 0.2 s"),
    ],
)
@pytest.mark.parametrize(("kind", "codec"), [("mp4", "mp4v"), ("mkv", "mp4v")])
def test_limits(limits: Limits, what: str, kind: str, codec: str) -> None:
    with pytest.raises(TooLarge, match=what):
        read(clips.video(8, kind, codec), limits)


def test_a_size_beyond_the_limit_is_refused_by_the_header_alone() -> None:
    data = bytearray(clips.video())
    at = data.index(b"stsd") + 4 + 40
    data[at : at + 4] = (60_000).to_bytes(2) + (60_000).to_bytes(2)
    with pytest.raises(TooLarge, match="60,000 x 60,000"):
        read(bytes(data))


def test_check_stops_between_frames() -> None:
    asked: Iterator[int] = iter(range(3))

    def check() -> None:
        if next(asked, None) is None:
            raise DeadlinePassed("late")

    with clips.upload(clips.video(8)).taken() as upload:
        video = open_video(upload, Limits())
        frames = video.frames(None, check)
        assert len([next(frames) for _ in range(3)]) == 3
        with pytest.raises(DeadlinePassed):
            next(frames)
        video.close()


def test_flipped_bytes_end_in_frames_or_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    """Damage anywhere: some frames or one of our errors, and FFmpeg says nothing on stderr."""
    data = clips.video(12)
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 12):
            broken[at] = rng.integers(256)
        try:
            frames, _ = read(bytes(broken), Limits(max_frames=100, max_pixels=1 << 20))
        except (Malformed, TooLarge, Unprocessable, UnsupportedMedia):
            continue
        assert len(frames) >= 2
    assert capfd.readouterr().err == ""


def test_no_descriptor_stays_open() -> None:
    read(clips.video(3))
    before = len(os.listdir("/proc/self/fd"))
    read(clips.video(3))
    with pytest.raises(Unprocessable):
        read(clips.video(1))
    assert len(os.listdir("/proc/self/fd")) == before

"""`python -m benchmarks.estimator VIDEO CAMERA SECONDS` prints what the estimator takes for a frame: milliseconds of
processor time, on one thread, with the frames decoded before."""

import sys
import time
from pathlib import Path

import cv2

from benchmarks.library import decoded, speed_model
from services.speed.camera import PRESETS
from services.speed.estimator import Estimator, Frame
from services.speed.live import LiveTrack
from shared.onnx import OnnxModel


def frame_ms(video: Path, camera: str, seconds: float) -> float:
    """The whole of it: motion, graph, filter. The clip as often as it takes."""
    cv2.setNumThreads(1)
    greys = list(decoded(video))
    frames = [Frame(index / 20, grey) for index, grey in enumerate(greys)]
    estimator = Estimator(OnnxModel.load(speed_model(), providers=["CPUExecutionProvider"], threads=1))
    preset = PRESETS[camera].scaled(greys[0].shape[1], greys[0].shape[0])
    list(estimator.measure(iter(frames[:5]), preset))
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds or not count:
        track = LiveTrack()
        for each in estimator.measure(iter(frames), preset):
            track.push(each.time_s, each.speed_mps, each.sd_mps, each.trouble)
        count += len(frames)
    return (time.process_time() - began) / count * 1e3


if __name__ == "__main__":
    video, camera, seconds = sys.argv[1:]
    print(frame_ms(Path(video), camera, float(seconds)))

"""What the OpenAPI page says of the operations."""

from typing import Any

from shared.openapi import problems

_BINARY = {"type": "string", "format": "binary"}

_COMMON = """Speeds hold for a camera: a preset (`camera`) or its numbers for the frames' own resolution, as shown,
which override the preset's. They are in proportion to its height above the road and its focal length; how it is pitched
and rolls is learnt as the car drives.

`sd_mps` covers three things: the measurement's own error, which grows where the road shows no texture, or other
vehicles hide it; what is not known of the camera's attitude; and what is not known of its height and focal length
(`camera.scale_sd`, a share of the speed: 1.5 % where they are given, far more where they are not). It does not cover
speeds beyond those that the model learnt from, nor lenses that bend straight lines. `warnings` says what was assumed,
and which frames were dark, covered, frozen, cut or no view of a road: these are not measured, or with a wide sd.

With `aggregate=ID` the speeds are added to that aggregate of `/v1/stats/aggregates`, once however often the request is
sent: by its `Idempotency-Key`, or without one by what is sent. Where that service is away the speeds are answered all
the same, with a warning, and added later.

By `Accept`: JSON; `text/csv` with the columns `time_s,speed_mps,sd_mps,raw_mps`; `text/plain`, one speed a line;
`image/png`, a plot of them; `video/mp4`, the pictures with speed, band and the road ahead drawn in: its rungs lie
still on the road as far as the speed is right. Answers other than JSON carry the warnings in the header
`Vernier-Warnings`."""

VIDEO = f"""Reads MP4, MOV, MKV, WebM, AVI, MPEG or FLV with H.264, HEVC, AV1, VP8, VP9, MPEG-4, MJPEG and other
pictures of any depth and size, as the body itself or as the part `file` of a form. Frames are taken as players show
them: turned as the file says, with square pixels, of interlaced ones one field. Frame times are the file's own,
variable rates included, unless `fps` is given. A file that is cut off or damaged is read as far as it goes, with a
warning.

{_COMMON}"""

FRAMES = f"""Reads two or more JPEG, PNG or WebP images of one size, in order, each a part `frames` of a form. When they
were taken is said by `fps` or by `time_s`, in the query or as a field of the form.

{_COMMON}"""

EVALUATE = """Scores predicted speeds as the speed challenge does. `file` and `truth` are text: one speed a line, metres
a second, as the challenge's test.txt; or CSV whose header names `speed_mps`, with other columns beside it (and `sd_mps`
in `file` for the shares within 1 and 2 sd). Both hold one speed a frame, in the same order.

`file` may be a video too: it is measured first, by the query's `camera`, `smoothing` and `fps`, as
`/v1/speed/video` does.

By `Accept`: JSON, or `text/plain`, a name and its value a line."""

_CSV = "time_s,speed_mps,sd_mps,raw_mps\n0.0,8.28,0.31,\n0.05,8.28,0.3,8.28\n"

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One entry a frame",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": _CSV},
            "text/plain": {"schema": {"type": "string"}, "example": "8.280000\n8.280000\n"},
            "image/png": {"schema": _BINARY},
            "video/mp4": {"schema": _BINARY},
        },
    },
    **problems(404, 406, 415, 422),
}

SCORES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The score",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": "mse 0.0412\nrmse 0.203\n"}},
    },
    **problems(406, 415, 422),
}

VIDEO_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]},
        },
        "video/*": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
    },
}

FRAMES_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "frames": {"type": "array", "items": _BINARY, "minItems": 2},
                    "fps": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "examples": [20]},
                    "time_s": {
                        "type": "string",
                        "description": "Seconds, separated by commas; increasing",
                        "examples": ["0,0.05,0.1"],
                    },
                },
                "required": ["frames"],
            },
            "encoding": {"frames": {"contentType": "image/jpeg, image/png, image/webp"}},
        }
    },
}

EVALUATE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {**_BINARY, "description": "Predicted speeds as text, or a video"},
                    "truth": {**_BINARY, "description": "The true speeds as text"},
                },
                "required": ["file", "truth"],
            },
            "encoding": {"file": {"contentType": "text/plain, text/csv, video/*"}},
        }
    },
}

"""The model card: what the model was made from, how well it does and where it stops."""

from collections.abc import Sequence
from dataclasses import asdict
from math import nan
from pathlib import Path
from typing import Any

import torch

from services.speed.rendering.chance import FASTEST_MPS
from services.speed.training import plots
from services.speed.training.augment import HEIGHTS, PITCH_SD, ROLL_SD
from services.speed.training.card_text import CARD, HELD, MADE_OF, RECORDED, RENDERED, UNSEEN
from services.speed.training.data import GAP_FRAMES, HELD_OUT, SKIPS
from services.speed.training.evaluate import WINDOW_S, Score
from services.speed.training.export import OPSET
from services.speed.training.folds import RENDERED_HELD_OUT, RENDERED_SKIPS
from services.speed.training.network import COARSE_M, FAR_M, NEAR_M, SPEEDS_SEEN_MPS
from services.speed.training.notes import rewrite
from services.speed.training.pipeline import LICENCES, Outcome
from services.speed.training.recipe import Recipe
from services.speed.training.search import Found, draw
from services.speed.views import GIVEN_SD

COLUMNS = ("clip", "frames", "raw", "causal", "RTS", "bias", "1 sd", "2 sd", "causal 1 sd", "2 sd", "worst 5 s", "fps")


def write_card(out: Path, name: str, outcome: Outcome, study: Found | None) -> None:
    """Writes `out`/CARD.md and the pictures that it shows."""
    pictures = {"training.png": "loss, likelihood and auxiliary target", "errors.png": "error over time"}
    plots.learning(out / "training.png", outcome.history, outcome.recipe.period)
    judged = outcome.crossed or outcome.scores
    validation = [score for score in outcome.scores if score.clip.startswith("val_")]
    plots.errors(out / "errors.png", [*outcome.crossed, *validation] if outcome.crossed else outcome.scores)
    plots.calibration(out / "calibration.png", judged)
    pictures["calibration.png"] = "calibration"
    if study and study.file:
        draw(out / "search.png", study.file)
        pictures["search.png"] = "search over recipes"
    told = dict(
        name=name,
        version=out.name,
        shown="\n".join(f"![{title}]({file})" for file, title in pictures.items()),
        scores=table(outcome.scores),
        crossed=UNSEEN.format(table=table(outcome.crossed), pooled=pooled(outcome.crossed)) if outcome.crossed else "",
        effects="\n\n".join(_effect(title, rows) for title, rows in outcome.effects.items()),
        study=_study(study, outcome.recipe),
        licence=(RECORDED if outcome.recorded else RENDERED).format(licence=LICENCES[outcome.recorded]),
        made_of=MADE_OF[outcome.recorded],
        held=HELD[outcome.recorded],
        switch="" if outcome.recorded else " --no-recorded --name " + name,
        **_numbers(outcome),
    )
    rewrite(out, CARD.format_map({**told, "made_of": str(told["made_of"]).format_map(told)}))


def _numbers(outcome: Outcome) -> dict[str, object]:
    return dict(
        opset=OPSET, near=NEAR_M, far=FAR_M, low=COARSE_M[0], high=COARSE_M[1], seen=SPEEDS_SEEN_MPS[1],
        skips=", ".join(map(str, SKIPS)), pitch=PITCH_SD, roll=ROLL_SD, lowest=HEIGHTS[0], highest=HEIGHTS[1],
        first=HELD_OUT[0], last=HELD_OUT[1], gap=GAP_FRAMES, kept=RENDERED_HELD_OUT, rendered_to=FASTEST_MPS,
        rendered_skips=" and ".join(map(str, RENDERED_SKIPS)), window=WINDOW_S, examples=outcome.examples,
        training=outcome.seconds["training"], whole=outcome.seconds["whole run"],
        threads=torch.get_num_threads(), processes=outcome.processes,
        given=GIVEN_SD,
        how="the errors of the cross-drive models as answers state them" if outcome.stretch else "the held-out errors",
        stretch=outcome.temperature[0], tilt_stretch=outcome.temperature[1],
        epochs=outcome.recipe.epochs, **asdict(outcome.recipe),
        **{f"held_{key}": value for key, value in {"pitch_r2": nan, "roll_r2": nan, **outcome.held_out}.items()},
    )  # fmt: skip


def table(scores: Sequence[Score]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for s in scores:
        since, worst = s.course.worst()
        errors = [f"{x:.3f}" for x in (s.mse_raw, s.mse_kalman, s.mse_rts, s.bias)]
        shares = [f"{x:.2f}" for x in (s.within_1sd, s.within_2sd, s.kalman_within_1sd, s.kalman_within_2sd)]
        cells = [s.clip, str(s.frames), *errors, *shares, f"{worst:.2f} at {since:.0f} s", f"{s.frames_per_s:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pooled(scores: Sequence[Score]) -> str:
    """The mean squared errors over all frames of the clips."""
    frames = sum(s.frames for s in scores)
    raw, kalman, rts = (
        sum(s.frames * getattr(s, kind) for s in scores) / frames for kind in ("mse_raw", "mse_kalman", "mse_rts")
    )
    return f"raw {raw:.3f}, causal {kalman:.3f}, RTS {rts:.3f} (m/s)^2 over {frames:,} frames"


def _effect(title: str, rows: dict[str, dict[str, float]]) -> str:
    names = list(next(iter(rows.values())))
    lines = [f"| {title} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {kind} | {' | '.join(f'{row[name]:.3f}' for name in names)} |" for kind, row in rows.items()]
    return "\n".join(lines)


def _study(study: Found | None, recipe: Recipe) -> str:
    if not study:
        return "The recipe was not searched for."
    used = {name: getattr(recipe, name) for name in study.params}
    return (
        f"Optuna's tree of Parzen estimators ran {study.trials} trials ({study.pruned} given up early), each of one\n"
        "cycle on a small share of the examples. The objective, the mean negative log likelihood on drives not\n"
        f"trained on, fell to {study.value:.3f} with {_listed(study.params)}.\n"
        f"This model was trained with {_listed(used)}.\n"
        "The validation clip had no part in it. The study is kept in `services/speed/training/study.jsonl`."
    )


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())

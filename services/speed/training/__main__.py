"""`python -m services.speed.training`: train, search, evaluate, render. Under `torchrun` every process trains."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated

import cv2
import torch
import typer
from rich.console import Console
from rich.table import Table

from services.speed.camera import DEFAULT_CAMERA, PRESETS
from services.speed.render import render_clip
from services.speed.training import quantise
from services.speed.training import search as searching
from services.speed.training.card import write_card
from services.speed.training.data import Clip, load_clip, load_clips, pairs_of
from services.speed.training.effects import auxiliary, structure
from services.speed.training.evaluate import Score, evaluate
from services.speed.training.folds import Pairs, folds, material
from services.speed.training.parallel import World, world
from services.speed.training.pipeline import Outcome, Run, cross, fit, publish
from services.speed.training.recipe import Recipe
from services.speed.training.recurrent_command import recurrent

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The speed model: how it is made and judged.")
app.command()(recurrent)
app.command(name="quantise")(quantise.command)
console = Console()

WORK = Path(tempfile.gettempdir(), "vernier-speed")
Data = Annotated[Path, typer.Option(help="Folder with train_*.mp4 and val_*.mp4, each with its csv.")]
Work = Annotated[Path, typer.Option(help="Where checkpoints and correlation volumes are kept.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the model to write; its name is the version.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "speed",
    recorded: Annotated[
        bool, typer.Option(help="Train on the recorded train_* clips; without, on rendered ones alone.")
    ] = True,
    work: Work = WORK,
    cycles: Annotated[int, typer.Option(help="Restarts of the learning rate, each a member of the ensemble.")] = (
        Recipe.cycles
    ),
    variants: int = Recipe.variants,
    rendered: Annotated[
        int, typer.Option(help="Rendered clips to train on beside the recorded ones.")
    ] = Recipe.rendered,
    seed: int = Recipe.seed,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoints in the work folder.")] = False,
    cross_drive: Annotated[bool, typer.Option(help="Also train on each drive alone and score the others.")] = True,
    ablation: Annotated[int, typer.Option(help="Seeds with which the auxiliary target's worth is measured.")] = 0,
    threads: Threads = 2,
) -> None:
    """Trains on the train_* clips, exports, scores the val_* clips and writes the model card with its plots."""
    _limit(threads)
    recipe = Recipe(seed=seed, cycles=cycles, variants=variants, rendered=rendered)
    start = perf_counter()
    with world() as here:
        run = Run(recipe, work, here, resume)
        clips = load_clips(data, "train_")
        pairs = _pairs(clips) if recorded else {}
        outcome = Outcome(recipe, recorded=recorded, processes=here.size)
        if recorded and cross_drive and len({clip.drive for clip in clips}) > 1:
            found = folds(clips, pairs, recipe, work, here)
            outcome.crossed, outcome.effects["snapshots"], outcome.stretch = cross(run, found, clips, name)
            outcome.effects["tilts in the fit, untrained"] = structure(found)
            if ablation:
                outcome.effects["auxiliary target"] = auxiliary(recipe, found, ablation)
        begun = perf_counter()
        training, held_out = material(clips if recorded else [], pairs, recipe, work, here)
        outcome.examples = len(training)
        trainer = fit(run, training, held_out, f"{name}-{out.name}")
        if not here.leads:
            return
        publish(outcome, trainer, held_out, out, name)
        outcome.scores = evaluate(out, clips + load_clips(data, "val_"))
        outcome.seconds = {"training": perf_counter() - begun, "whole run": perf_counter() - start}
        _report(outcome, out, name)


def _report(outcome: Outcome, out: Path, name: str) -> None:
    show(outcome.scores, "trained on all training clips" if outcome.recorded else "trained on rendered clips only")
    if outcome.crossed:
        show(outcome.crossed, "trained on the other drive only")
    write_card(out, name, outcome, searching.found() if searching.STUDY.is_file() else None)


def _limit(threads: int) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _pairs(clips: list[Clip]) -> Pairs:
    with console.status("tracking features"):
        return {clip.name: pairs_of(clip) for clip in clips}


@app.command()
def search(
    data: Data,
    trials: Annotated[int, typer.Option(help="Trials to run, beside those that the study holds.")] = 20,
    study: Annotated[Path, typer.Option(help="The file that keeps the study.")] = searching.STUDY,
    work: Work = WORK,
    variants: int = 1,
    rendered: int = 4,
    period: int = 6,
    threads: Threads = 1,
) -> None:
    """Searches for the recipe whose models do best on drives that they have not seen."""
    _limit(threads)
    recipe = Recipe(variants=variants, rendered=rendered, cycles=1, period=period)
    clips = load_clips(data, "train_")
    best = searching.search(recipe, folds(clips, _pairs(clips), recipe, work, World()), trials, study)
    console.print(
        f"{best.trials} trials ({best.pruned} given up), best cross-drive nll {best.value:.4f}: {best.params}"
    )


@app.command(name="evaluate")
def evaluate_clips(
    model: Annotated[Path, typer.Argument(help="Folder of the model.")],
    videos: Annotated[list[Path], typer.Argument(help="Videos, each with its csv beside it.")],
    camera: Annotated[str | None, typer.Option(help="Preset; else that of the clip's drive.")] = None,
) -> None:
    """Prints the errors of a model on clips with a known speed."""
    preset = PRESETS[camera] if camera else None
    show(evaluate(model, [load_clip(video, preset) for video in videos]), str(model))


@app.command()
def render(
    path: Annotated[Path, typer.Argument(help="The mp4 to write; its truth goes to the csv beside it.")],
    seconds: float = 10.0,
    fps: float = 20.0,
    seed: int = 0,
    camera: Annotated[str, typer.Option(help="Preset.")] = DEFAULT_CAMERA,
    width: int = 620,
    height: int = 188,
) -> None:
    """Renders a clip with a known speed."""
    render_clip(path, seconds=seconds, fps=fps, seed=seed, camera=PRESETS[camera].scaled(width, height))


def show(scores: list[Score], title: str) -> None:
    table = Table(title=title)
    for name in ("clip", "frames", "raw", "kalman", "rts", "bias", "1 sd", "2 sd", "frames/s"):
        table.add_column(name, justify="left" if name == "clip" else "right")
    for s in scores:
        figures = (s.mse_raw, s.mse_kalman, s.mse_rts, s.bias, s.within_1sd, s.within_2sd)
        table.add_row(s.clip, str(s.frames), *(f"{f:.3f}" for f in figures), f"{s.frames_per_s:.0f}")
    console.print(table)


if __name__ == "__main__":
    app()

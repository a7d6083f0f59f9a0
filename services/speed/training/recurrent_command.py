"""`python -m services.speed.training recurrent`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from services.speed.training import recurrent_gates as gates
from services.speed.training.data import load_clips, rendered
from services.speed.training.notes import RECURRENT, note
from services.speed.training.recurrent_export import export_step
from services.speed.training.recurrent_features import Reel, reels
from services.speed.training.recurrent_train import Compared, RecurrentRecipe, compare, fit, watch

FIGURES = "recurrent.json"
RENDERED = 10


def recurrent(
    data: Annotated[Path, typer.Option(help="Folder with train_*.mp4 and val_*.mp4, each with its csv.")],
    out: Annotated[Path, typer.Option(help="Folder to write: the step as ONNX, the gates, the figures.")],
    work: Annotated[Path | None, typer.Option(help="Where correlation volumes are kept.")] = None,
    made: Annotated[
        int, typer.Option("--rendered", help="Rendered clips to learn from beside the recorded.")
    ] = RENDERED,
    model: Annotated[Path | None, typer.Option(help="Folder of a model whose card is to tell of it.")] = None,
    epochs: int = RecurrentRecipe.epochs,
    seed: int = RecurrentRecipe.seed,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
) -> None:
    """Trains the recurrent head, compares it across drives with the plain head and its Kalman filter, and writes its
    step as ONNX and its gates over the validation clips."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    recipe = RecurrentRecipe(seed=seed, epochs=epochs)
    recorded = {clip.name: (clip.drive, reels(clip, work)) for clip in load_clips(data, "train_")}
    beside = [reel for clip in rendered(made, seed) for reel in reels(clip, work, (1,))]
    compared = across(recorded, beside, recipe)
    net = fit([reel for _, found in recorded.values() for reel in found] + beside, recipe)
    for clip in load_clips(data, "val_"):
        (reel,) = reels(clip, work, (1,))
        gates.save(gates.gathered(reel, watch(net, reel)), out, f"gates-{clip.name}")
    facts = {"recipe": asdict(recipe), "across_drives": [asdict(each) for each in compared], "pooled": pooled(compared)}
    export_step(net, out, out.name, facts)
    for folder in (out, model):
        if folder:
            (folder / FIGURES).write_text(json.dumps(facts, indent=2) + "\n")
            note(folder, RECURRENT, described(compared))
    show(compared)


def across(recorded: dict[str, tuple[str, list[Reel]]], beside: list[Reel], recipe: RecurrentRecipe) -> list[Compared]:
    """Each drive alone trains a head that is judged on the clips of the others."""
    found = []
    for drive in sorted({drive for drive, _ in recorded.values()}):
        own = [reel for of, reels_ in recorded.values() if of == drive for reel in reels_]
        net = fit(own + beside, recipe)
        found += [compare(net, reels_[0], drive) for of, reels_ in recorded.values() if of != drive]
    return found


def pooled(compared: list[Compared]) -> dict[str, float]:
    """Mean squared errors over all pairs of all clips; empty where there is but one drive."""
    if not compared:
        return {}
    pairs = [each.pairs for each in compared]
    names = ("mse_raw", "mse_kalman", "mse_recurrent", "within_1sd", "within_2sd")
    return {name: float(np.average([getattr(each, name) for each in compared], weights=pairs)) for name in names}


def described(compared: list[Compared]) -> str:
    """For the card."""
    lines = [
        "An LSTM over the pairs of a video that filters their speed itself, an alternative that does not ship. It reads"
        " what the fit of the plane says before anything is learnt. Each clip by a head trained on the other drive and "
        "on rendered clips, beside the Kalman filter over the same readings:\n",
        "| clip | pairs | each pair | Kalman | recurrent | within 1 sd | within 2 sd |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in compared:
        errors = f"{each.mse_raw:.3f} | {each.mse_kalman:.3f} | {each.mse_recurrent:.3f}"
        lines.append(f"| {each.clip} | {each.pairs} | {errors} | {each.within_1sd:.2f} | {each.within_2sd:.2f} |")
    return "\n".join(lines)


def show(compared: list[Compared]) -> None:
    table = Table(title="trained on the other drive only")
    for name in ("clip", "pairs", "each pair", "Kalman", "recurrent", "1 sd", "2 sd"):
        table.add_column(name, justify="left" if name == "clip" else "right")
    for each in compared:
        figures = (each.mse_raw, each.mse_kalman, each.mse_recurrent, each.within_1sd, each.within_2sd)
        table.add_row(each.clip, str(each.pairs), *(f"{figure:.3f}" for figure in figures))
    Console().print(table)

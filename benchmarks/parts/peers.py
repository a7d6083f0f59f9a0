"""The same models, bytes and cores, served by Vernier through its gateway and by its peers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import convnet, expected, profile
from benchmarks.checks import Check, WrongAnswer, checked
from benchmarks.forms import multipart
from benchmarks.inputs import ANEW, FORM, FPS, JSON, rendered, sentence
from benchmarks.library import speed_model, text_model
from benchmarks.load import Load, Outcome, merged, write_bodies
from benchmarks.measure import Goal, Row, Rule, repeated
from benchmarks.peers.catalog import PEERS, Ask, Item, Peer, Setting, openai, raw
from benchmarks.peers.environments import NotInstalled
from benchmarks.peers.work import Frame
from benchmarks.servers import Server, gateway, run_load, service

PART = "peers"
AHEAD_OF_BEST, AHEAD_OF_INFINITY = 1.4, 4.0
ROUND_THE_BEST = ("litserve", "bentoml", "mlserver", "ray")


@dataclass(frozen=True)
class Work:
    """One kind of request. `units` of work are in each; `service` runs Vernier's own, asked by `ask`."""

    name: str
    what: str
    unit: str
    units: int
    connections: int
    items: Sequence[Item]
    check: Check
    model: Path
    ask: Ask
    service: Callable[[], AbstractContextManager[Server]]
    peers: tuple[str, ...] = (*ROUND_THE_BEST, "infinity")

    @property
    def kind(self) -> str:
        """What the peers' servers call it."""
        return "sentences" if self.name == "sentence" else self.name


@dataclass(frozen=True)
class Figure:
    """Windows of one server under one setting; `cpu_us` is the processor time of its processes for a unit of work."""

    rates: list[float]
    outcome: Outcome
    stable: bool
    cpu_us: float
    setting: str = ""

    @property
    def rate(self) -> float:
        return median(self.rates)


def rows(folder: Path, rule: Rule) -> Iterator[Row]:
    won: dict[str, Setting] = {}
    for work in works(folder):
        yield from compared(work, folder, rule, won)


def works(folder: Path) -> Iterator[Work]:
    model = convnet.build(folder)
    pictures = convnet.pictures(32)
    yield Work(
        "frame", "small convnet", "frames/s", 1, 8, pictures, scores(model, pictures), model,
        Ask("/frame", {"Content-Type": "image/jpeg", **ANEW}, raw),
        lambda: service("benchmarks.convnet_service", VERNIER_CONVNET_SERVICE_MODEL=str(model)), ROUND_THE_BEST,
    )  # fmt: skip
    draw = np.random.default_rng(3)
    embed = Ask("/v1/embeddings", {**JSON, **ANEW}, openai("text-embedding"))
    for name, what, units, connections, count in (
        ("sentences", "sentences, 32 a request", 32, 8, 200),
        ("sentence", "sentences, one a request", 1, 16, 3000),
    ):
        texts = [[sentence(draw, 8, 12) for _ in range(units)] for _ in range(count)]
        yield Work(
            name, what, "sentences/s", units, connections, texts, expected.embeddings(*texts), text_model(), embed,
            lambda: service("services.text"),
        )  # fmt: skip
    frames = rendered(folder)[1]
    pairs = [multipart(frames[index : index + 2]) for index in range(10, 26)]
    yield Work(
        "speed", "speed of a pair of frames", "pairs/s", 1, 8, pairs, expected.speeds(2), speed_model(),
        Ask(f"/v1/speed/frames?camera=kitti&fps={FPS:g}", {**FORM, **ANEW}, raw),
        lambda: service("services.speed"), ("litserve", "bentoml"),
    )  # fmt: skip


def scores(model: Path, pictures: Sequence[bytes]) -> Check:
    """What the bare model says of each picture."""
    work, known = Frame(model), dict[int, list[float]]()

    def check(body: int, answer: bytes) -> None:
        if body not in known:
            known[body] = work(pictures[body])["scores"]
        found = expected.numbers_of(answer, "scores")
        expected.near(f"scores of picture {body}", found, known[body], 1e-4)

    return check


def compared(work: Work, folder: Path, rule: Rule, won: dict[str, Setting]) -> Iterator[Row]:
    """Vernier before, between and after its peers, so that a machine which drifts drifts for both; no two at a time."""
    with vernier(work) as servers:
        ours = [measured(work, servers, work.ask, folder, rule)]
    found: dict[str, Figure | str] = {}
    direct: Figure | None = None
    chosen = [each for each in PEERS if each.name in work.peers]
    for index, peer in enumerate(chosen):
        found[peer.version] = best(work, peer, folder, rule, won)
        if index == 1 or peer is chosen[-1]:
            with vernier(work) as servers:
                ours.append(measured(work, servers, work.ask, folder, rule))
                if peer is chosen[-1]:
                    direct = measured(work, servers[1:], work.ask, folder, rule)
    mine = Figure(
        [rate for each in ours for rate in each.rates], merged([each.outcome for each in ours]),
        all(each.stable for each in ours), median(each.cpu_us for each in ours),
    )  # fmt: skip
    table = [row(work, mine, title, figure) for title, figure in found.items()]
    yield from explained(work, folder, rule, goals(work, table))
    if direct is not None:
        yield without_gateway(work, direct, found)


@contextmanager
def vernier(work: Work) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        own = stack.enter_context(work.service())
        yield [stack.enter_context(gateway([own])), own]


def load_of(work: Work, url: str, ask: Ask, folder: Path, rule: Rule) -> Load:
    bodies = write_bodies(folder / "peers.bodies", map(ask.body, work.items))
    return Load(
        url + ask.path, "POST", dict(ask.headers), bodies,
        connections=work.connections, seconds=rule.seconds, warmup_s=1.0, least=2 * work.connections,
    )  # fmt: skip


def measured(work: Work, servers: Sequence[Server], ask: Ask, folder: Path, rule: Rule, setting: str = "") -> Figure:
    """The first of the servers is asked, the others work for it."""
    load, outcomes = load_of(work, servers[0].url, ask, folder, rule), list[Outcome]()
    run_load(replace(load, seconds=0.1))  # warms up

    def window() -> float:
        outcomes.append(checked(run_load(replace(load, warmup_s=0.3)), work.check, refusals=True))
        return outcomes[-1].best_rate * work.units

    before = sum(each.cpu_s() for each in servers)
    rates, stable = repeated(window, rule)
    used, whole = sum(each.cpu_s() for each in servers) - before, merged(outcomes)
    return Figure(rates, whole, stable, used * 1e6 / (sum(whole.statuses.values()) * work.units), setting)


def best(work: Work, peer: Peer, folder: Path, rule: Rule, won: dict[str, Setting]) -> Figure | str:
    """Under the better of its settings, or why it was not measured. Requests that come whole, one frame or many
    sentences, are served best by the same setting: `won` keeps it."""
    settings = peer.settings[work.name]
    if work.name == "sentences" and peer.name in won:
        settings = [won[peer.name]]
    figure: Figure | None = None
    problem = ""
    for setting in settings:
        try:
            with peer.start(work.kind, work.model, setting) as server:
                found = measured(work, [server], peer.asks[work.name], folder, rule, setting.name)
        except (NotInstalled, RuntimeError, TimeoutError, WrongAnswer, OSError) as error:
            problem = f"not run ({setting.name}): {error}"[:300]
            continue
        if figure is None or found.rate > figure.rate:
            figure = found
            if work.name == "frame":
                won[peer.name] = setting
    return figure or problem


def row(work: Work, mine: Figure, title: str, figure: Figure | str) -> Row:
    if isinstance(figure, str):
        return Row(PART, work.what, float("nan"), "ratio", title, missing=figure)
    raw_figures = {
        "ours_per_s": mine.rate, "reference_per_s": figure.rate, "unit": work.unit, "connections": work.connections,
        "ours_cpu_us": mine.cpu_us, "reference_cpu_us": figure.cpu_us,
        "ours_p50_ms": mine.outcome.accepted_ms(50), "ours_p99_ms": mine.outcome.accepted_ms(99),
        "reference_p50_ms": figure.outcome.accepted_ms(50), "reference_p99_ms": figure.outcome.accepted_ms(99),
        "ours_windows": len(mine.rates), "reference_windows": len(figure.rates), "generator_cores": mine.outcome.busy,
        "ours_refused": len(mine.outcome.refused_s), "reference_refused": len(figure.outcome.refused_s),
    }  # fmt: skip
    return Row(
        PART, work.what, mine.rate / figure.rate, "ratio", f"{title}, {figure.setting}", Goal(1.0),
        min(mine.rates) / max(figure.rates), max(mine.rates) / min(figure.rates), mine.stable and figure.stable,
        raw_figures,
    )  # fmt: skip


def without_gateway(work: Work, direct: Figure, found: dict[str, Figure | str]) -> Row:
    """The peers have no gateway before them: the service asked directly, against the best of them."""
    figures = {title: each for title, each in found.items() if isinstance(each, Figure)}
    best_title = max(figures, key=lambda title: figures[title].rate, default="no peer")
    table = row(work, direct, best_title, figures.get(best_title, "no peer was measured"))
    return replace(table, name=f"{work.what}, without the gateway", goal=None, note="the best of the peers")


def goals(work: Work, table: list[Row]) -> list[Row]:
    """Behind none; the convnet well ahead of the best, sentences far ahead of infinity."""
    there = [each for each in table if not each.missing]
    closest = min(there, key=lambda each: each.value, default=None)
    raised = []
    for each in table:
        if work.name == "frame" and each is closest:
            each = replace(each, goal=Goal(AHEAD_OF_BEST), note="the best of the peers")
        elif each.against.startswith("infinity"):
            each = replace(each, goal=Goal(AHEAD_OF_INFINITY))
        raised.append(each)
    return raised


def explained(work: Work, folder: Path, rule: Rule, table: list[Row]) -> Iterator[Row]:
    """One profile for all that fell short: it is the same work."""
    found = None
    for each in table:
        if each.reached is False:
            if found is None:
                with vernier(work) as servers:
                    load = load_of(work, servers[0].url, work.ask, folder, rule)
                    found = profile.taken(partial(run_load, load), servers)
            each = replace(each, profile=found)
        yield each

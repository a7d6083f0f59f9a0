"""A restricted Boltzmann machine: hidden units, each on or off, behind patterns of binary columns.

Smolensky (1986); p(v, h) is proportional to exp(b'v + c'h + v'W h). Trained by the gradient of the likelihood where
that can be enumerated, else by contrastive divergence (Hinton 2002) or with chains that go on (Tieleman 2008).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit, logsumexp, xlogy

from services.stats.leastsquares import FloatArray

Training = Literal["auto", "exact", "cd", "pcd"]

ENUMERABLE = 20
"""Units, of the kind of which there are fewer, up to which the likelihood is exact: a million states."""
TRAINED_EXACTLY = 10
"""The same up to which the gradient is: it is asked for a few hundred times."""
_STATES = 1 << 14


@dataclass(frozen=True)
class Machine:
    """`weights` (p, m), `visible_bias` (p,), `hidden_bias` (m,)."""

    weights: FloatArray
    visible_bias: FloatArray
    hidden_bias: FloatArray

    @property
    def smaller(self) -> int:
        return int(min(self.weights.shape))

    def free_energy(self, v: FloatArray) -> FloatArray:
        """Of patterns (n, p): less the logarithm of what they weigh, all hidden states together; (n,)."""
        energy: FloatArray = -(v @ self.visible_bias) - _softplus(v @ self.weights + self.hidden_bias).sum(axis=1)
        return energy

    def hidden(self, v: FloatArray) -> FloatArray:
        """The chance of each hidden unit to be on, given patterns (n, p); (n, m)."""
        chance: FloatArray = expit(v @ self.weights + self.hidden_bias)
        return chance

    def visible(self, h: FloatArray) -> FloatArray:
        chance: FloatArray = expit(h @ self.weights.T + self.visible_bias)
        return chance

    def log_partition(self, check: Callable[[], None] = lambda: None) -> float:
        """The logarithm of the sum over all states, by enumeration of the kind of which there are fewer: 2 to their
        number terms."""
        side = self if self.weights.shape[0] <= self.weights.shape[1] else self.mirrored()
        parts = []
        for states in _all_states(side.weights.shape[0]):
            check()
            parts.append(logsumexp(-side.free_energy(states)))
        return float(logsumexp(parts))

    def mirrored(self) -> "Machine":
        """Hidden and visible units exchanged."""
        return Machine(self.weights.T, self.hidden_bias, self.visible_bias)

    def settled(self) -> "Machine":
        """The same distribution of patterns, with hidden units that favour ones, the most telling first: exchanging on
        and off of a hidden unit, or two units, changes nothing that can be seen."""
        turned = self.weights.sum(axis=0) < 0
        sign = np.where(turned, -1.0, 1.0)
        weights = self.weights * sign
        order = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")
        bias = self.visible_bias + self.weights[:, turned].sum(axis=1)
        return Machine(weights[:, order], bias, (self.hidden_bias * sign)[order])


@dataclass(frozen=True)
class Recipe:
    """How to train. `steps` are Gibbs steps a gradient, `decay` the pull of the weights towards 0."""

    training: Training = "auto"
    epochs: int = 200
    learning_rate: float = 0.05
    batch: int = 100
    steps: int = 1
    decay: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """`log_partition`, `loglik` (the mean over rows, nats) and `row_loglik` (n,) are None where neither kind of unit
    can be enumerated. `bound` is what no model of these rows exceeds: less the entropy of their patterns."""

    machine: Machine
    training: Training
    log_partition: float | None
    loglik: float | None
    row_loglik: FloatArray | None
    bound: float
    converged: bool | None


def train(
    rows: FloatArray,
    hidden: int,
    recipe: Recipe,
    *,
    check: Callable[[], None] = lambda: None,
    report: Callable[[float], None] = lambda _: None,
) -> Trained:
    """On `rows` (n, p) of zeros and ones, whose order does not matter; the same recipe gives the same machine."""
    patterns, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    shares = counts / len(rows)
    rng = np.random.default_rng(recipe.seed)
    machine = _beginning(shares @ patterns, len(rows), hidden, rng)
    if recipe.training == "auto":
        recipe = replace(recipe, training="exact" if machine.smaller <= TRAINED_EXACTLY else "pcd")
    converged: bool | None = None
    if recipe.training == "exact":
        machine, converged = _climb(machine, patterns, shares, recipe, check, report)
    else:
        machine = _sample_up(machine, np.repeat(patterns, counts, axis=0), recipe, rng, check, report)
    machine = machine.settled()
    bound = float(np.sum(xlogy(shares, shares)))
    if machine.smaller > ENUMERABLE:
        return Trained(machine, recipe.training, None, None, None, bound, converged)
    log_partition = machine.log_partition(check)
    of_pattern = -machine.free_energy(patterns) - log_partition
    row_loglik = of_pattern[inverse.ravel()]
    return Trained(machine, recipe.training, log_partition, float(shares @ of_pattern), row_loglik, bound, converged)


def _beginning(means: FloatArray, n: int, hidden: int, rng: np.random.Generator) -> Machine:
    """Small weights, and biases by which the columns, independent, have their means (Hinton 2010, section 8)."""
    kept = np.clip(means, 1 / (2 * n), 1 - 1 / (2 * n))
    weights = rng.normal(scale=0.1, size=(len(means), hidden))
    return Machine(weights, np.log(kept / (1 - kept)), np.zeros(hidden))


def _climb(
    machine: Machine,
    patterns: FloatArray,
    shares: FloatArray,
    recipe: Recipe,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> tuple[Machine, bool]:
    """To a maximum of the likelihood, by its own gradient."""
    from scipy.optimize import minimize

    width, hidden = machine.weights.shape
    done = 0

    def unpacked(vector: FloatArray) -> Machine:
        weights = vector[: width * hidden].reshape(width, hidden)
        return Machine(weights, vector[width * hidden : -hidden], vector[-hidden:])

    def loss(vector: FloatArray) -> tuple[float, FloatArray]:
        check()
        at = unpacked(vector)
        log_partition, expected = _expectations(at)
        value = float(shares @ at.free_energy(patterns)) + log_partition
        chance = at.hidden(patterns)
        seen = ((shares[:, None] * patterns).T @ chance, shares @ patterns, shares @ chance)
        slopes = [ours - theirs for ours, theirs in zip(expected, seen, strict=True)]
        slopes[0] = slopes[0] + recipe.decay * at.weights
        return value + recipe.decay / 2 * float(np.sum(at.weights**2)), np.concatenate([s.ravel() for s in slopes])

    def after(_: FloatArray) -> None:
        nonlocal done
        done += 1
        report(done / recipe.epochs)

    start = np.concatenate([machine.weights.ravel(), machine.visible_bias, machine.hidden_bias])
    options = {"maxiter": recipe.epochs, "maxfun": 2 * recipe.epochs, "gtol": 1e-7, "ftol": 1e-13}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", callback=after, options=options)
    return unpacked(found.x), bool(found.success)


def _expectations(machine: Machine) -> tuple[float, tuple[FloatArray, FloatArray, FloatArray]]:
    """The log partition function, and what the machine expects of v h', v and h, by enumeration."""
    if machine.weights.shape[0] > machine.weights.shape[1]:
        log_partition, (products, hidden, visible) = _expectations(machine.mirrored())
        return log_partition, (products.T, visible, hidden)
    states = next(_all_states(machine.weights.shape[0]))
    weight = -machine.free_energy(states)
    log_partition = float(logsumexp(weight))
    chance = np.exp(weight - log_partition)
    hidden = machine.hidden(states)
    return log_partition, ((chance[:, None] * states).T @ hidden, chance @ states, chance @ hidden)


def _sample_up(
    machine: Machine,
    rows: FloatArray,
    recipe: Recipe,
    rng: np.random.Generator,
    check: Callable[[], None],
    report: Callable[[float], None],
) -> Machine:
    """Stochastic gradients with momentum (.5, then .9), the rate falling to nothing over the second half."""
    size = min(recipe.batch, len(rows))
    chains = rows[rng.integers(0, len(rows), size)].copy()
    velocity = [np.zeros_like(each) for each in (machine.weights, machine.visible_bias, machine.hidden_bias)]
    for epoch in range(recipe.epochs):
        rate = recipe.learning_rate * min(1.0, 2 * (1 - epoch / recipe.epochs))
        momentum = 0.5 if epoch < 5 else 0.9
        order = rng.permutation(len(rows))
        for start in range(0, len(rows) - size + 1, size):
            check()
            batch = rows[order[start : start + size]]
            chance = machine.hidden(batch)
            if recipe.training == "cd":
                chains = batch
            chains = _gibbs(machine, chains, recipe.steps, rng)
            fantasy = machine.hidden(chains)
            slopes = (
                (batch.T @ chance - chains.T @ fantasy) / size - recipe.decay * machine.weights,
                batch.mean(axis=0) - chains.mean(axis=0),
                chance.mean(axis=0) - fantasy.mean(axis=0),
            )
            velocity = [momentum * v + rate * s for v, s in zip(velocity, slopes, strict=True)]
            machine = Machine(
                machine.weights + velocity[0], machine.visible_bias + velocity[1], machine.hidden_bias + velocity[2]
            )
        report((epoch + 1) / recipe.epochs)
    return machine


def _gibbs(machine: Machine, v: FloatArray, steps: int, rng: np.random.Generator) -> FloatArray:
    for _ in range(steps):
        hidden = machine.hidden(v)
        chance = machine.visible((rng.random(hidden.shape) < hidden).astype(np.float64))
        v = (rng.random(chance.shape) < chance).astype(np.float64)
    return v


def _all_states(units: int) -> Iterator[FloatArray]:
    """All 2^units states (each a row), some thousands at a time."""
    places = np.arange(units)
    for start in range(0, 1 << units, _STATES):
        numbers = np.arange(start, min(start + _STATES, 1 << units))
        yield (numbers[:, None] >> places & 1).astype(np.float64)


def _softplus(x: FloatArray) -> FloatArray:
    soft: FloatArray = np.logaddexp(0.0, x)
    return soft


def cost(rows: int, columns: int, hidden: int, recipe: Recipe) -> int:
    """Multiplications that training and the enumeration after it take, at most."""
    smaller = min(columns, hidden)
    enumeration = columns * hidden << smaller if smaller <= ENUMERABLE else 0
    if recipe.training == "exact" or (recipe.training == "auto" and smaller <= TRAINED_EXACTLY):
        patterns = min(rows, 1 << min(columns, 40))
        return 4 * recipe.epochs * (enumeration + columns * hidden * patterns)
    return 3 * (recipe.steps + 1) * recipe.epochs * rows * columns * hidden + enumeration

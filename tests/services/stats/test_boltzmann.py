import itertools

import numpy as np
import pytest

from services.stats.boltzmann import Machine, Recipe, Training, train
from tests.services.stats import lsat6


def machine(visible: int, hidden: int, seed: int = 0) -> Machine:
    rng = np.random.default_rng(seed)
    return Machine(rng.normal(size=(visible, hidden)), rng.normal(size=visible), rng.normal(size=hidden))


def energies(m: Machine) -> dict[tuple[tuple[int, ...], tuple[int, ...]], float]:
    """Of every state, by the definition."""
    states: list[list[tuple[int, ...]]] = [list(itertools.product((0, 1), repeat=n)) for n in m.weights.shape]
    return {
        (v, h): -float(np.dot(v, m.visible_bias) + np.dot(h, m.hidden_bias) + np.dot(v, m.weights) @ h)
        for v in states[0]
        for h in states[1]
    }


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (2, 4), (5, 5), (1, 1)])
def test_enumeration_against_every_state(visible: int, hidden: int) -> None:
    m = machine(visible, hidden)
    each = energies(m)
    partition = sum(np.exp(-e) for e in each.values())
    assert m.log_partition() == pytest.approx(np.log(partition), abs=1e-12)
    patterns = np.array(list(itertools.product((0.0, 1.0), repeat=visible)))
    for pattern, energy, chance in zip(patterns, m.free_energy(patterns), m.hidden(patterns), strict=True):
        weights = {h: np.exp(-e) for (v, h), e in each.items() if v == tuple(pattern.astype(int))}
        assert np.exp(-energy) == pytest.approx(sum(weights.values()), rel=1e-12)
        on = sum(np.array(h) * w for h, w in weights.items()) / sum(weights.values())
        assert chance == pytest.approx(on, rel=1e-12)
    assert np.exp(-m.free_energy(patterns) - m.log_partition()).sum() == pytest.approx(1.0, abs=1e-12)


def test_settling_changes_nothing_that_can_be_seen() -> None:
    m = machine(5, 4)
    settled = m.settled()
    patterns = np.array(list(itertools.product((0.0, 1.0), repeat=5)))
    np.testing.assert_allclose(
        settled.free_energy(patterns) + settled.log_partition(),
        m.free_energy(patterns) + m.log_partition(),
        atol=1e-12,
    )
    assert np.all(settled.weights.sum(axis=0) >= 0)
    assert np.all(np.diff(np.linalg.norm(settled.weights, axis=0)) <= 0)


@pytest.mark.parametrize("training", ["exact", "cd", "pcd"])
def test_law_school_admission_test(training: Training) -> None:
    rows = lsat6.table()
    found = train(rows, 2, Recipe(training=training))
    # entropy of the 30 patterns seen: no model may exceed it; independent columns reach -2.4959
    assert found.bound == pytest.approx(-2.45604, abs=5e-6)
    means = rows.mean(axis=0)
    independent = float(np.sum(means * np.log(means) + (1 - means) * np.log(1 - means)))
    assert found.loglik is not None
    assert independent < found.loglik < found.bound
    assert found.loglik == pytest.approx(-2.4652 if training == "exact" else -2.475, abs=4e-3)
    assert found.row_loglik is not None
    assert found.row_loglik.mean() == pytest.approx(found.loglik, abs=1e-12)


def test_the_exact_optimum_has_the_moments_of_the_rows() -> None:
    rows = lsat6.table()
    found = train(rows, 1, Recipe(training="exact", epochs=1000, decay=0.0))
    assert found.converged
    states = np.array(list(itertools.product((0.0, 1.0), repeat=5)))
    assert found.log_partition is not None
    chance = np.exp(-found.machine.free_energy(states) - found.log_partition)
    on, seen = found.machine.hidden(states), found.machine.hidden(rows)
    np.testing.assert_allclose(chance @ states, rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose((chance[:, None] * states).T @ on, rows.T @ seen / 1000, atol=1e-5)


@pytest.mark.parametrize("training", ["exact", "cd", "pcd"])
def test_the_same_seed_gives_the_same_machine_whatever_the_order_of_the_rows(training: Training) -> None:
    rows = lsat6.table()[::5]
    recipe = Recipe(training=training, epochs=10, seed=3)
    order = np.random.default_rng(0).permutation(len(rows))
    first, other = train(rows, 3, recipe), train(rows[order], 3, recipe)
    assert np.array_equal(first.machine.weights, other.machine.weights)
    assert first.row_loglik is not None
    assert other.row_loglik is not None
    assert np.array_equal(first.row_loglik[order], other.row_loglik)
    seeded = train(rows, 3, Recipe(training=training, epochs=10, seed=4))
    assert not np.array_equal(first.machine.weights, seeded.machine.weights)


def test_many_units_are_sampled_and_their_likelihood_is_not_made_up() -> None:
    rows = (np.random.default_rng(0).random((60, 25)) < 0.4).astype(float)
    found = train(rows, 30, Recipe(epochs=2))
    assert (found.training, found.loglik, found.log_partition, found.row_loglik) == ("pcd", None, None, None)
    few = train(rows, 12, Recipe(epochs=2))
    assert few.training == "pcd"
    assert few.loglik is not None
    assert few.loglik < few.bound


def test_columns_that_never_change_and_one_row() -> None:
    kinds: list[Training] = ["exact", "pcd"]
    for training in kinds:
        found = train(np.ones((4, 3)), 2, Recipe(training=training, epochs=5))
        assert found.bound == 0
        assert found.loglik is not None
        assert found.loglik < 0
        assert np.isfinite(found.machine.weights).all()


def test_progress_and_the_end_of_it() -> None:
    told: list[float] = []
    train(lsat6.table(), 2, Recipe(training="pcd", epochs=4), report=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]

    def stop() -> None:
        raise TimeoutError

    kinds: list[Training] = ["exact", "cd"]
    for training in kinds:
        with pytest.raises(TimeoutError):
            train(lsat6.table(), 2, Recipe(training=training), check=stop)

"""Answers are looked at, not only counted: one that is wrong ends the run."""

from collections.abc import Callable

from benchmarks.load import Kept, Outcome

Check = Callable[[int, bytes], None]
"""Takes the number of a body and its answer; raises WrongAnswer."""


class WrongAnswer(Exception):
    """An answer that is not what the bare library says, or nothing at all."""


def checked(outcome: Outcome, check: Check | None = None, *, refusals: bool = False) -> Outcome:
    """The outcome itself. Raises WrongAnswer where an answer is wrong, missing, or no 200 (nor an allowed refusal)."""
    if outcome.failed or not outcome.accepted_s or (outcome.refused_s and not refusals):
        raise WrongAnswer(
            f"{len(outcome.accepted_s)} answers 200 in the window; in all {outcome.statuses}, "
            f"{outcome.errors} broken connections, {outcome.timeouts} given up{_sample(outcome)}"
        )
    if check is not None:
        for each in outcome.kept:
            if each.status == 200:
                _held(check, each)
    return outcome


def _held(check: Check, each: Kept) -> None:
    try:
        check(each.body, each.answer)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise WrongAnswer(f"body {each.body} was answered {each.answer[:200]!r}: {error!r}") from error


def _sample(outcome: Outcome) -> str:
    bad: list[Kept] = [each for each in outcome.kept if each.status != 200]
    return f"; one says {bad[0].status} {bad[0].answer[:300]!r}" if bad else ""


def exactly(*expected: bytes) -> Check:
    """To each body the answer that stands in its place; the last one for all that follow."""

    def check(body: int, answer: bytes) -> None:
        wanted = expected[min(body, len(expected) - 1)]
        if answer != wanted:
            raise WrongAnswer(f"body {body} was answered {answer[:200]!r}, not {wanted[:200]!r}")

    return check

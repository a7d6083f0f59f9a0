"""How a regression is asked for, and what of it goes together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from services.stats.design import FloatArray
from services.stats.sandwich import Covariance
from shared.errors import FieldError, TooLarge, Unprocessable

Precision = Literal["default", "high"]
Method = Literal["ols", "ridge", "huber", "tukey", "theil_sen", "siegel"]

MAX_WORK = 20_000_000_000
"""Most multiplications that a decomposition may take (n p^2): some ten seconds of one core."""
MAX_ENTRIES = 20_000_000
"""Most entries of the design (points x coefficients): 160 MB, where it is kept whole."""
_ROBUST_STEPS = 50
"""What a robust fit takes, in decompositions."""


@dataclass(frozen=True)
class Options:
    """How to fit. `alpha` is ridge's penalty; `lag` HAC's, by default `sandwich.default_lag`; `confidence` that of
    intervals, 0..1; `influence` of each point is found where it is asked for; `check` is called now and then in long
    computations and may raise to end them."""

    names: Sequence[str] | None = None
    degree: int = 1
    intercept: bool = True
    weights: FloatArray | None = None
    method: Method = "ols"
    alpha: float | None = None
    covariance: Covariance = "nonrobust"
    lag: int | None = None
    precision: Precision = "default"
    confidence: float = 0.95
    influence: bool = False
    check: Callable[[], None] = lambda: None


def labels_of(options: Options, count: int) -> list[str]:
    given = list(options.names or (["x"] if count == 1 else [f"x{j + 1}" for j in range(count)]))
    powers = [name if k == 1 else f"{name}^{k}" for name in given for k in range(1, options.degree + 1)]
    return ["intercept", *powers] if options.intercept else powers


def check_options(options: Options, columns: int) -> None:
    """Raises Unprocessable for those that do not go together: nothing asked for is left out silently."""
    method, line = options.method, options.method in {"theil_sen", "siegel"}
    faults = [
        (method == "ridge" and options.alpha is None, "/alpha", "is missing; ridge needs its penalty, 0 or more"),
        (method != "ridge" and options.alpha is not None, "/alpha", f"is ridge's penalty; {method} has none"),
        (options.lag is not None and options.covariance != "HAC", "/lag", "is for the covariance HAC alone"),
        (
            options.covariance != "nonrobust" and method not in {"ols", "ridge"},
            "/covariance",
            f"is for ols and ridge; {method} has errors of its own, nonrobust",
        ),
        (
            options.precision == "high" and (method != "ols" or options.covariance != "nonrobust"),
            "/precision",
            "high is for ols with the covariance nonrobust; use default here",
        ),
        (options.influence and method != "ols", "/influence", f"is of ols alone; {method} has none"),
        (line and columns > 1, "/x", f"has {columns} columns; {method} draws a line over one"),
        (line and options.degree > 1, "/degree", f"must be 1: {method} draws a line"),
        (line and not options.intercept, "/intercept", f"must be true: {method} has no line through the origin"),
        (line and options.weights is not None, "/weights", f"are not taken by {method}; huber and tukey take them"),
    ]
    for wrong, pointer, detail in faults:
        if wrong:
            raise refused(pointer, detail)


def refused(pointer: str, detail: str) -> Unprocessable:
    return Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])


def check_size(n: int, count: int, options: Options) -> None:
    if n < count:
        raise Unprocessable(
            f"{n} points do not determine {count} coefficients: give at least {count} points, or fewer columns",
            errors=[FieldError("/y", f"has {n} entries, needs {count}")],
        )
    steps = _ROBUST_STEPS if options.method in {"huber", "tukey"} else 1 + (options.lag or 0)
    if n * count > MAX_ENTRIES or n * count**2 * steps > MAX_WORK:
        raise TooLarge(
            f"{n:,} points x {count} coefficients: a design may have at most {MAX_ENTRIES:,} entries, and points x "
            f"coefficients squared (x {steps} here) may be {MAX_WORK:,}"
        )

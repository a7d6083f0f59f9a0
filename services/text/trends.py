"""Whether information rises or falls, as the stats service tells it."""

from typing import Any, NamedTuple

import structlog

from services.text.information_answers import Course
from shared.breaker import Breaker
from shared.context import RequestContext
from shared.service import Away, Errand, ServiceClient

log = structlog.get_logger()

PATH = "/v1/stats/trend"
ATTEMPT_S = 10.0
"""A ranking waits for stats so long at most."""
FIELDS = ("model", "trend", "significant", "p", "tau", "slope", "slope_ci", "n")


class Told(NamedTuple):
    """`trend` is None where `warning` says why it cannot be told; `away`: it could be at another time."""

    trend: dict[str, Any] | None
    warning: str | None
    away: bool = False


class Trends:
    """`app.state.trends`."""

    def __init__(self, stats: ServiceClient) -> None:
        self._stats = stats
        self._breaker = Breaker(failures=2, pause_s=1.0, longest_s=10.0)

    async def of(self, course: Course, context: RequestContext | None) -> Told:
        """Raises nothing but cancellation."""
        if not self._breaker.enter():
            return _away("it was away just now")
        content: dict[str, Any] = {"series": course.bits}
        if course.time_s is not None:
            content["time"] = course.time_s
        try:
            reply = await self._stats.ask("POST", PATH, Errand.of(context, ATTEMPT_S), content=content)
        except Away as error:
            self._breaker.failure()
            return _away(str(error))
        except BaseException:
            self._breaker.withdraw()
            raise
        self._breaker.success()
        if reply.status != 200:
            return Told(None, f"no trend: {reply.detail}")
        return Told({name: reply.content[name] for name in FIELDS}, None)

    async def aclose(self) -> None:
        await self._stats.aclose()


def _away(reason: str) -> Told:
    log.warning("the stats service was not asked for a trend", reason=reason)
    return Told(None, "no trend: the stats service, which tells it, is away", away=True)

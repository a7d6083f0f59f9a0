"""What the gateway knows about each service: whether it is ready, who it is, and what it offers."""

import asyncio
import contextlib
import random
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from gateway.client import BROKEN, Client
from gateway.guard import Guard, Guards
from gateway.operations import Table, operations
from shared.ending import end
from shared.metrics import Metrics

log = structlog.get_logger()

POLL_TIMEOUT_S = 2.0
DOCUMENT_TIMEOUT_S = 10.0
HURRY_S = 0.2
"""Least time between two looks at a service: that is how often one is asked whose document is not known yet."""


class Report(BaseModel):
    """What `/readyz` of a service answers."""

    ready: bool
    version: str
    identity: str
    models: dict[str, str] = {}
    versions: dict[str, list[str]] = {}
    offers: list[str] = []


class Service:
    """One service as last seen. `identity` changes exactly when its answers may; `changes` counts how often it did."""

    def __init__(self, name: str, url: str, guard: Guard) -> None:
        self.name = name
        self.url = url
        self.guard = guard
        self.reachable = False
        self.report: Report | None = None
        self.identity: str | None = None
        self.changes = 0
        self.document: dict[str, Any] | None = None
        self.fault: str | None = "not asked yet"
        self.stale = True
        self.wake = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self.fault is None and self.report is not None and self.report.ready

    def adopt(self, identity: str, seen: int) -> None:
        """A new identity counts at once; its document is read soon. `seen`: `changes` when the service was asked. An
        answer that was asked for before the last change may be older than it, and says nothing."""
        if identity != self.identity and seen == self.changes:
            log.info("identity changed", service=self.name, before=self.identity, now=identity)
            self.identity = identity
            self.changes += 1
            self.stale = True
            self.wake.set()

    def state(self) -> dict[str, Any]:
        common = {"url": self.url, "breaker": self.guard.breaker.state}
        if self.fault is not None:
            return {"ready": False, **common, "detail": self.fault}
        assert self.report is not None
        known = self.report.model_dump()
        return {**known, **common, "identity": self.identity, "routes_known": self.document is not None}


class Services:
    """All of them, each looked at by a task of its own; `table` and `documents` follow what they say.
    `merged` holds what the documents make together, until one of them changes."""

    def __init__(
        self, urls: dict[str, str], client: Client, guards: Guards, *, interval_s: float, metrics: Metrics
    ) -> None:
        self.named = {name: Service(name, url, guards[name]) for name, url in urls.items()}
        self.table = Table(unknown=tuple(self.named))
        self.merged: dict[str, Any] | None = None
        self._client = client
        self._interval_s = interval_s
        self._up = metrics.gauge("upstream_up", "1 while a service is ready", ("service",))
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def ready(self) -> bool:
        return all(service.ready and service.document is not None for service in self.named.values())

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """Those known, in the order of the settings."""
        known = ((name, service.document) for name, service in self.named.items())
        return {name: document for name, document in known if document is not None}

    def states(self) -> dict[str, dict[str, Any]]:
        return {name: service.state() for name, service in self.named.items()}

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._watch(service)) for service in self.named.values()]

    async def aclose(self) -> None:
        self._closed = True
        await end(*self._tasks)

    async def _watch(self, service: Service) -> None:
        while not self._closed:
            service.wake.clear()
            try:
                await self._look(service)
            except Exception:
                log.exception("looking at a service failed", service=service.name)
            self._up.labels(service.name).set(service.ready)
            hurry = min(HURRY_S, self._interval_s)
            await asyncio.sleep(hurry)
            pause = self._interval_s * random.uniform(0.8, 1.2) - hurry if service.document else 0.0
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await service.wake.wait()

    async def _look(self, service: Service) -> None:
        seen = service.changes
        report = await self._read_report(service)
        if report is None:
            return
        service.adopt(report.identity, seen)
        before = service.report
        if before is None or (report.models, report.offers) != (before.models, before.offers):
            service.stale = True
        service.report = report
        if service.stale:
            await self._read_document(service)

    async def _read_report(self, service: Service) -> Report | None:
        try:
            _, body = await self._client.get_json(f"{service.url}/readyz", timeout_s=POLL_TIMEOUT_S)
            report = Report.model_validate(body)
        except BROKEN as error:
            self._fail(service, str(error) or type(error).__name__)
            service.stale = True
            return None
        except (ValueError, ValidationError):
            self._fail(service, "what it answers at /readyz is no report of a Vernier service")
            return None
        if service.fault is not None:
            log.info("service reachable", service=service.name, identity=report.identity)
        service.fault = None
        service.guard.breaker.success()
        return report

    def _fail(self, service: Service, fault: str) -> None:
        if service.fault != fault:
            log.warning("service unreachable", service=service.name, error=fault)
        service.fault = fault

    async def _read_document(self, service: Service) -> None:
        try:
            status, document = await self._client.get_json(f"{service.url}/openapi.json", timeout_s=DOCUMENT_TIMEOUT_S)
            if status != 200 or not isinstance(document, dict):
                raise ValueError(f"status {status}")
            list(operations(service.name, document))
        except (*BROKEN, ValueError, TypeError, AttributeError, KeyError) as error:
            log.warning("no OpenAPI document", service=service.name, error=str(error))
            return
        service.document = document
        service.stale = False
        self._rebuild()

    def _rebuild(self) -> None:
        models = {
            model: service.name
            for service in self.named.values()
            if service.report is not None
            for model in {**service.report.models, **dict.fromkeys(service.report.offers)}
        }
        self.table = Table(
            (each for name, document in self.documents.items() for each in operations(name, document)),
            unknown=[name for name, service in self.named.items() if service.document is None],
            models=models,
        )
        self.merged = None

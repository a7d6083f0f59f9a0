"""Settings of the gateway: `VERNIER_GATEWAY_<NAME>` in the environment."""

from typing import ClassVar

from pydantic import Field

from gateway.jobs.settings import AcceptanceSettings
from gateway.upstreams import Upstreams


class GatewaySettings(Upstreams, AcceptanceSettings):
    """An empty service address leaves that service out."""

    process: ClassVar[str] = "gateway"

    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    max_body_bytes: int = Field(default=256 << 20, ge=1)
    """Largest request body taken, in bytes: as much as the service that takes most; each has a limit of its own."""
    request_timeout_s: float = Field(default=600.0, gt=0)
    """Deadline of a request that names none and the most that one may ask for, in seconds: the slowest service's."""
    poll_interval_s: float = Field(default=1.0, gt=0)
    """Seconds between two looks at a service's readiness and identity, give or take a fifth."""
    connect_timeout_s: float = Field(default=2.0, gt=0)
    """Seconds that opening a connection to a service may take."""
    restart_patience_s: float = Field(default=10.0, ge=0)
    """Requests wait for a service that lets nobody in, until it has been silent for so many seconds: it may be
    restarting. Then they are answered 502, and 503 at once when that happened a few times. 0 waits for none."""
    upstream_connections: int = Field(default=512, ge=1)
    """Connections to one service at a time; further requests wait for one."""
    upstream_keepalive_s: float = Field(default=3.0, gt=0)
    """Seconds that an idle connection to a service is kept; to be less than the service keeps its end."""
    limit_smallest: int = Field(default=4, ge=1)
    """Requests that a service may be answering at a time, however slow it has become."""
    limit_largest: int = Field(default=128, ge=1)
    """The same, at most: what a limit that is not reached returns to."""
    limit_tolerance: float = Field(default=4.0, ge=1)
    """How many times longer than without a queue an answer may take, before fewer requests are let in."""
    breaker_failures: int = Field(default=5, ge=1)
    """Failures running (no connection, answers broken off, 502) after which a service is left alone for a moment."""
    breaker_pause_s: float = Field(default=1.0, gt=0)
    """Seconds until it is asked again by one request; twice as long each time that this one fails, at most 30."""
    retry_share: float = Field(default=0.1, ge=0, le=1)
    """Second tries as a share of requests; ten more may come at once after calm. 0 makes none."""
    websockets: int = Field(default=1024, ge=1)
    """WebSockets open at a time; another is answered 503 with Retry-After."""
    websocket_idle_s: float = Field(default=300.0, gt=0)
    """Seconds without a message that went through, either way, after which a WebSocket is closed with 1001."""
    websocket_open_s: float = Field(default=10.0, gt=0)
    """Seconds that the handshake with a service may take."""
    websocket_ping_s: float = Field(default=20.0, gt=0)
    """Seconds between two pings at a service."""
    body_memory_bytes: int = Field(default=512 << 20, ge=1)
    """Request bodies held at a time, in bytes (each twice for the moment in which its pieces become one); a request
    beyond is answered 503 with Retry-After."""
    cache_memory_bytes: int = Field(default=128 << 20, ge=0)
    """Answers kept in the process, in bytes; the least recently used go first. 0 keeps none."""
    cache_entry_bytes: int = Field(default=8 << 20, ge=0)
    """Largest answer that is kept, in bytes; larger ones stream through."""
    cache_ttl_s: float = Field(default=86400.0, gt=0)
    """Seconds that an answer is kept. A new version of a service or model makes new answers at once."""
    redis_timeout_s: float = Field(default=0.05, gt=0)
    """Seconds that the cache waits for Redis, before it does without."""
    redis_cooldown_s: float = Field(default=1.0, gt=0)
    """Seconds between two pings at a Redis that is left out."""

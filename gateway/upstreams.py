"""Where the services are: what the gateway and the workers of its jobs have to know alike."""

from shared.settings import Settings


class Upstreams(Settings):
    """An empty address leaves that service out."""

    speed_url: str = "http://127.0.0.1:8101"
    """Address of the speed service."""
    text_url: str = "http://127.0.0.1:8102"
    """Address of the text service."""
    stats_url: str = "http://127.0.0.1:8103"
    """Address of the statistics service."""

    @property
    def services(self) -> dict[str, str]:
        """Addresses by name, of those that have one."""
        named = {"speed": self.speed_url, "text": self.text_url, "stats": self.stats_url}
        return {name: url.rstrip("/") for name, url in named.items() if url}

"""uvicorn's WebSockets, quiet. Only for processes that carry the library `websockets`."""

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from shared.websockets import LEAVING

_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """What uvicorn would log is a fault of the client's, or no fault at all (a handshake that was refused), or has
    been logged by `shared.websockets`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _SILENT

    def shutdown(self) -> None:
        leaving = getattr(self, "scope", {}).get(LEAVING)
        if leaving is None or self.close_sent:
            super().shutdown()
        else:
            leaving.set()

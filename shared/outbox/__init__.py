"""What one service owes another that is away: kept in Redis, delivered when it is back."""

from shared.outbox.courier import Courier
from shared.outbox.store import Item, Outbox

__all__ = ["Courier", "Item", "Outbox"]

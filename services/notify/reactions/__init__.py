"""What notify does when it hears others: tells, and withdraws what no longer holds (domain.md §4.9)."""

from services.notify.reactions.ledger import ledger
from services.notify.reactions.orders import orders
from services.notify.reactions.volunteers import volunteers

__all__ = ["ledger", "orders", "volunteers"]

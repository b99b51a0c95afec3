"""What services say aloud: every event as a frozen class, its published form (CloudEvents 1.0) and its schema."""

from contracts import ledger, notify, orders, volunteers

__all__ = ["ledger", "notify", "orders", "volunteers"]

"""What leaves this service: notices to people (notices.py), and events to webhooks (webhooks.py)."""

from services.notify.senders.notices import Console, NotTaken, OutsideChannel, Sender, send
from services.notify.senders.posting import Poster
from services.notify.senders.webhooks import deliver

__all__ = ["Console", "NotTaken", "OutsideChannel", "Poster", "Sender", "deliver", "send"]

"""What notify does when it hears others: tells, and withdraws what no longer holds (domain.md §4.9).

aside.py, desk.py, missing.py and turning.py speak to `orders`: about_orders.py has it, and the words that they share.
fund.py speaks to `ledger`.
"""

from services.notify.reactions import aside, desk, fund, missing, turning
from services.notify.reactions.about_orders import orders
from services.notify.reactions.ledger import ledger
from services.notify.reactions.volunteers import volunteers

__all__ = ["aside", "desk", "fund", "ledger", "missing", "orders", "turning", "volunteers"]

"""What is told when minutes are posted (domain.md §4.9, row 30); fund.py speaks to `ledger` as well."""

from contracts.ledger import EntryPosted
from contracts.notify import NoticeParams
from eventstore.consumer import Reactions
from services.notify.commands import shanghai_day
from services.notify.reactions.telling import Tell, Telling, tells

ledger = Reactions("ledger")


@tells(ledger, EntryPosted)
def on_entry_posted(event: EntryPosted) -> Telling:
    """The volunteer whose minutes were posted reads how many; after a correction, how many they are now."""
    hours = event.hours
    if event.book != "hours" or hours is None:
        return Telling(event.entry_id)
    if event.reverses is not None:
        params = NoticeParams(minutes=hours.minutes, on_date=shanghai_day(hours.started_at))
        return Telling(hours.claim_id, [Tell("minutes_corrected", params, ref=hours.volunteer_id)])
    params = NoticeParams(minutes=hours.minutes, on_date=event.effective_date)
    return Telling(hours.claim_id, [Tell("minutes_credited", params, ref=hours.volunteer_id)])

"""What is told when the ledger says something (domain.md §4.9, rows 30, 33, 34)."""

from contracts.ledger import DonationReceipted, DonationReceived, EntryPosted
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


@tells(ledger, DonationReceived)
def on_donation_received(event: DonationReceived) -> Telling:
    """The donor is thanked, by the ref of this one gift."""
    params = NoticeParams(fund=event.fund, amount_fen=event.amount_fen, due_at=event.due_at)
    return Telling(event.donation_id, [Tell("gift_thanks", params, ref=event.donor_ref)])


@tells(ledger, DonationReceipted)
def on_donation_receipted(event: DonationReceipted) -> Telling:
    """The donor hears that the receipt is there."""
    params = NoticeParams(fund=event.fund, amount_fen=event.amount_fen, receipt_no=event.receipt_no)
    return Telling(event.donation_id, [Tell("gift_receipt", params, ref=event.donor_ref)])

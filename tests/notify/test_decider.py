"""Given what a topic or a ref has seen, when a command comes, then these events or this refusal."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import Refused, Role
from contracts.notify import (
    ContactRemoved,
    ContactSet,
    NoticeChannel,
    NotificationCancelled,
    NotificationFailed,
    NotificationHandedOver,
    NotificationQueued,
    NotificationUnknown,
    PersonDataErased,
)
from services.notify import commands as c
from services.notify.decider import contacts, notices
from tests.notify.examples import (
    ANNA,
    DIGEST,
    EVENT,
    NOON,
    NOTICE,
    NOTICE_2,
    ORDER,
    PARAMS,
    STAFF,
    WANG,
    about,
    queue,
)

BOTH: tuple[NoticeChannel, ...] = ("console", "in_app")
CALL = c.CallInstead(notification_id=c.call_id_of(NOTICE), caller=Role.DISPATCHER)


def after(*commands: Any) -> notices.Topic:
    """The topic after these commands, each decided on what the earlier ones led to."""
    topic = notices.initial()
    for command in commands:
        for event in notices.decide(command, topic):
            topic = notices.evolve(topic, event)
    return topic


def refusal(command: Any, topic: notices.Topic) -> str:
    with pytest.raises(Refused) as caught:
        notices.decide(command, topic)
    return caught.value.reason_code


def handed(**changes: Any) -> c.RecordHandedOver:
    return c.RecordHandedOver(**about(channel="console", attempt=1, **changes))


def failed(channel: str = "console", attempt: int = 1, reason: str = "channel_failed", **changes: Any):
    fields = about(channel=channel, attempt=attempt, reason_code=reason, reachable=BOTH, call=CALL)
    return c.RecordFailure(**fields | changes)


def unknown() -> c.RecordUnknown:
    return c.RecordUnknown(**about(channel="console", attempt=1, attempted_at=NOON))


def called(outcome: c.CallOutcome, **changes: Any) -> c.RecordCall:
    return c.RecordCall(**about(by=STAFF, outcome=outcome) | changes)


def cancel(*keys: str) -> c.CancelNotices:
    return c.CancelNotices(by=queue().by, at=NOON, topic_id=ORDER, keys=frozenset(keys), reason_code="order_cancelled")


PHONE = queue(template="call_unfulfilled", channels=("phone",), to_role=Role.DISPATCHER)
STATES = {
    "nothing": after(),
    "queued": after(queue()),
    "on the phone list": after(PHONE),
    "handed over": after(queue(), handed()),
    "cancelled": after(queue(), cancel(f"order:{ORDER}")),
    "failed": after(queue(), failed(reachable=(), call=None)),
    "unknown": after(queue(), unknown()),
}
COMMANDS: dict[str, Any] = {
    "QueueNotice": queue(),
    "CancelNotices": cancel(f"order:{ORDER}"),
    "RecordHandedOver": handed(),
    "RecordFailure": failed(),
    "RecordUnknown": unknown(),
    "RecordCall": called("reached"),
}
EXPECTED: dict[str, tuple[Any, ...]] = {
    # per state: QueueNotice, CancelNotices, RecordHandedOver, RecordFailure, RecordUnknown, RecordCall
    "nothing": (1, 0, "notice_unknown", "notice_unknown", "notice_unknown", "notice_unknown"),
    "queued": (0, 1, 1, 1, 1, "not_on_phone_list"),
    "on the phone list": (0, 1, 1, 2, 1, 1),
    "handed over": (0, 0, "notice_ended", "notice_ended", "notice_ended", "notice_ended"),
    "cancelled": (0, 0, 1, "notice_ended", 1, "notice_ended"),
    "failed": (0, 0, "notice_ended", "notice_ended", "notice_ended", "notice_ended"),
    "unknown": (0, 0, 1, "notice_ended", "notice_ended", "notice_ended"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_state_answers_every_command(state: str, name: str) -> None:
    expected = EXPECTED[state][list(COMMANDS).index(name)]
    if isinstance(expected, str):
        assert refusal(COMMANDS[name], STATES[state]) == expected
    else:
        assert len(notices.decide(COMMANDS[name], STATES[state])) == expected


def test_a_notice_ends_after_fourteen_days_or_when_it_is_pointless_whichever_is_first() -> None:
    (plain,) = notices.decide(queue(), notices.initial())
    (short,) = notices.decide(queue(expires_at=NOON + timedelta(hours=2)), notices.initial())
    (long,) = notices.decide(queue(expires_at=NOON + timedelta(days=40)), notices.initial())
    assert isinstance(plain, NotificationQueued)
    assert isinstance(short, NotificationQueued)
    assert isinstance(long, NotificationQueued)
    assert plain.expires_at == long.expires_at == NOON + timedelta(days=14)
    assert short.expires_at == NOON + timedelta(hours=2)


def test_only_notices_with_a_cancelled_key_are_cancelled() -> None:
    topic = after(queue(), queue(notification_id=NOTICE_2, cancels_with=("assignment:1", "visit:1")))
    (event,) = notices.decide(cancel("assignment:1", "offer:9"), topic)
    assert isinstance(event, NotificationCancelled)
    assert event.notification_id == NOTICE_2
    assert notices.decide(cancel(), topic) == []


def test_a_failing_channel_is_tried_later_and_later_and_then_the_next_one() -> None:
    topic = after(queue())
    pauses = []
    for attempt in range(1, 5):
        (event,) = notices.decide(failed(attempt=attempt), topic)
        assert isinstance(event, NotificationFailed)
        assert not event.final
        assert event.due_at is not None
        pauses.append(event.due_at - NOON)
        topic = notices.evolve(topic, event)
        assert notices.next_channel(topic.pending[NOTICE], BOTH, c.DEFAULT_POLICY) == "console"
    assert pauses == [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)]
    (last,) = notices.decide(failed(attempt=5), topic)
    assert isinstance(last, NotificationFailed)
    assert (last.final, last.due_at) == (False, NOON)
    topic = notices.evolve(topic, last)
    assert notices.next_channel(topic.pending[NOTICE], BOTH, c.DEFAULT_POLICY) == "in_app"


def test_what_no_channel_took_is_told_by_telephone() -> None:
    final, call = notices.decide(failed(reason="no_contact", reachable=()), after(queue()))
    assert isinstance(final, NotificationFailed)
    assert isinstance(call, NotificationQueued)
    assert (final.final, final.due_at) == (True, None)
    assert (call.notification_id, call.channels, call.to_role) == (CALL.notification_id, ("phone",), Role.DISPATCHER)
    assert (call.ref, call.cancels_with, call.params) == (WANG, (f"order:{ORDER}",), PARAMS)


def test_a_notice_that_disturbs_nobody_simply_fails() -> None:
    (final,) = notices.decide(failed(reason="no_contact", reachable=(), call=None), after(queue()))
    assert isinstance(final, NotificationFailed)
    assert final.final


def test_a_channel_that_will_never_take_it_is_not_asked_again() -> None:
    topic = after(queue(), failed(reason="not_taken"))
    assert notices.next_channel(topic.pending[NOTICE], BOTH, c.DEFAULT_POLICY) == "in_app"
    assert notices.next_channel(topic.pending[NOTICE], ("console",), c.DEFAULT_POLICY) is None


def test_an_unknown_end_may_become_known_and_is_never_repeated() -> None:
    (event,) = notices.decide(unknown(), STATES["queued"])
    assert isinstance(event, NotificationUnknown)
    (known,) = notices.decide(handed(), STATES["unknown"])
    assert isinstance(known, NotificationHandedOver)


def test_nobody_answers_three_times() -> None:
    topic = after(PHONE)
    for attempt in (1, 2):
        (event,) = notices.decide(called("no_answer"), topic)
        assert isinstance(event, NotificationFailed)
        assert (event.final, event.due_at, event.attempt) == (False, NOON + timedelta(hours=1), attempt)
        topic = notices.evolve(topic, event)
    (last,) = notices.decide(called("no_answer"), topic)
    assert isinstance(last, NotificationFailed)
    assert last.final


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("reached", NotificationHandedOver), ("not_needed", NotificationCancelled), ("wrong_number", NotificationFailed)],
)
def test_a_call_ends_as_the_caller_says(outcome: c.CallOutcome, kind: type) -> None:
    (event,) = notices.decide(called(outcome), after(PHONE))
    assert isinstance(event, kind)
    assert not after(PHONE, called(outcome)).pending


def test_a_call_is_not_made_before_its_time() -> None:
    later = queue(channels=("phone",), not_before=NOON + timedelta(hours=1))
    assert refusal(called("reached"), after(later)) == "call_not_due"


def add(number: str, notification_id: Any, **changes: Any) -> c.AddToDigest:
    fields = queue(ref=ANNA, template="pool_digest", notification_id=notification_id).model_dump()
    fields["params"] = PARAMS.model_copy(update={"orders": ()})
    return c.AddToDigest(**fields | {"order_no": number} | changes)


def test_orders_opened_close_together_are_told_in_one_digest() -> None:
    (first,) = notices.decide(add("11112222", NOTICE, not_before=NOON + timedelta(minutes=15)), notices.initial())
    topic = notices.evolve(notices.initial(), first)
    merged, both = notices.decide(add("33334444", NOTICE_2, not_before=NOON + timedelta(minutes=25)), topic)
    assert isinstance(merged, NotificationCancelled)
    assert isinstance(both, NotificationQueued)
    assert (merged.notification_id, merged.reason_code) == (NOTICE, "merged")
    assert both.params.orders == ("11112222", "33334444")
    assert both.not_before == NOON + timedelta(minutes=15)
    topic = notices.evolve(notices.evolve(topic, merged), both)
    assert notices.decide(add("33334444", CALL.notification_id), topic) == []
    assert notices.decide(add("33334444", NOTICE_2), topic) == []


def test_a_digest_that_was_tried_stays_as_it_is() -> None:
    topic = after(add("11112222", NOTICE), failed())
    (alone,) = notices.decide(add("33334444", NOTICE_2), topic)
    assert isinstance(alone, NotificationQueued)
    assert alone.params.orders == ("33334444",)


# Contacts


def set_contact(channel: Any = "phone", **changes: Any) -> c.SetContact:
    asked: dict[str, Any] = {"by": STAFF, "at": NOON, "ref": WANG, "contact_id": NOTICE, "channel": channel}
    if channel == "phone":
        asked |= {"address_ref": EVENT, "address_commitment": DIGEST}
    return c.SetContact(**asked | changes)


def remove_contact() -> c.RemoveContact:
    return c.RemoveContact(by=STAFF, at=NOON, ref=WANG, channel="phone", reason_code="moved")


def erase() -> c.EraseContacts:
    return c.EraseContacts(by=STAFF, at=NOON, ref=WANG, source_event_id=EVENT, purposes=("contact",))


def contacts_after(*commands: Any) -> contacts.Contacts:
    state = contacts.initial()
    for command in commands:
        for event in contacts.decide(command, state):
            state = contacts.evolve(state, event)
    return state


@pytest.mark.parametrize(
    ("given", "command", "reason_code"),
    [
        ((), set_contact(address_ref=None, address_commitment=None), "address_required"),
        ((), set_contact("in_app", address_ref=EVENT), "address_not_taken"),
        ((), remove_contact(), "contact_unknown"),
        ((set_contact("in_app"),), remove_contact(), "contact_unknown"),
        ((set_contact(), remove_contact()), remove_contact(), "contact_unknown"),
        ((erase(),), set_contact(), "person_erased"),
    ],
)
def test_what_is_refused_of_contacts(given: Any, command: Any, reason_code: str) -> None:
    with pytest.raises(Refused) as caught:
        contacts.decide(command, contacts_after(*given))
    assert caught.value.reason_code == reason_code


def test_a_contact_is_set_replaced_and_removed() -> None:
    (event,) = contacts.decide(set_contact(), contacts.initial())
    assert isinstance(event, ContactSet)
    assert contacts_after(set_contact(), set_contact(contact_id=NOTICE_2)).by_channel == {"phone": NOTICE_2}
    (removed,) = contacts.decide(remove_contact(), contacts_after(set_contact()))
    assert isinstance(removed, ContactRemoved)
    assert (removed.contact_id, removed.reason_code) == (NOTICE, "moved")


def test_an_erased_person_has_no_contact_ever_again() -> None:
    events = contacts.decide(erase(), contacts_after(set_contact(), set_contact("in_app")))
    assert [type(event) for event in events] == [ContactRemoved, ContactRemoved, PersonDataErased]
    assert contacts.decide(erase(), contacts_after(set_contact(), erase())) == []

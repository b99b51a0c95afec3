"""Handing over: once, at its time, over the channel chosen; and what a crash leaves is not guessed at."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.command import Role
from contracts.notify import NotificationUnknown
from services.notify.senders import Console, NotTaken
from tests.notify import said
from tests.notify.desk import Desk, Killed, Screen
from tests.notify.examples import ANNA, DONOR, END, LEE, NOON, START, WANG
from tests.support.messaging import running
from tests.support.waiting import eventually


async def kill_at_hand_over(desk: Desk) -> None:
    """A sender that dies between the attempt and its outcome."""
    desk.screen.dies = True
    with pytest.raises(BaseExceptionGroup) as caught:
        await desk.sender.send_due()
    assert caught.group_contains(Killed)
    desk.screen.dies = False


async def test_the_inbox_gets_what_its_reader_chose_and_once(desk: Desk) -> None:
    await desk.contact(WANG)
    await desk.hear(said.confirmed())
    assert await desk.sender.send_due() == 1
    assert await desk.sender.send_due() == 0
    (row,) = await desk.notices()
    assert (row["state"], row["channel"], row["attempts"]) == ("HANDED_OVER", "in_app", 1)
    inbox = await desk.done("GET", f"/inbox/{WANG}", None, WANG, Role.RESIDENT)
    (shown,) = inbox["notices"]
    assert shown["title"] == "说说好不好"
    assert shown["order_no"] == "20417788"
    assert "11月25日 星期三 上午9点到10点" in shown["body"]


async def test_a_reminder_waits_for_its_time_and_ends_with_it(desk: Desk) -> None:
    await desk.contact(ANNA)
    await desk.hear(said.accepted(2))
    desk.clock.at = START - timedelta(hours=24, seconds=1)
    await desk.sender.send_due()
    assert await desk.templates(state="HANDED_OVER") == []
    desk.later(seconds=1)
    await desk.sender.send_due()
    assert await desk.templates(state="HANDED_OVER") == ["visit_tomorrow"]
    desk.clock.at = START
    await desk.sender.send_due()
    (late,) = await desk.notices(template="visit_in_hours")
    assert (late["state"], late["reason_code"]) == ("CANCELLED", "expired")


async def test_the_console_gets_the_words_and_no_person(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    sender = desk.new_sender({"console": Console()})
    with capture_logs() as lines:
        await sender.send_due()
    (line,) = [line for line in lines if line["event"] == "notice"]
    assert set(line) == {"event", "log_level", "notification_id", "ref", "title", "body"}
    assert "2041-7788" in line["body"]
    (row,) = await desk.notices()
    assert (row["state"], row["channel"]) == ("HANDED_OVER", "console")


async def test_a_crash_between_attempt_and_outcome_is_unknown_and_never_repeated(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    await kill_at_hand_over(desk)
    assert (await desk.types())[-1] == "NotificationQueued"
    desk.later(minutes=3)
    await desk.new_sender({"console": desk.screen}).send_due()
    await desk.new_sender({"console": desk.screen}).send_due()
    assert len(desk.screen.shown) == 1
    last = (await desk.runtime.log.read())[-1].event
    assert isinstance(last, NotificationUnknown)
    assert (last.channel, last.attempt) == ("console", 1)
    assert (last.attempted_at, last.noticed_at) == (NOON, NOON + timedelta(minutes=3))
    (row,) = await desk.notices()
    assert row["state"] == "UNKNOWN"


@pytest.mark.parametrize("how", ["rated meanwhile", "expired meanwhile"])
async def test_what_was_attempted_and_then_cancelled_is_unknown_and_not_unsent(desk: Desk, how: str) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    await kill_at_hand_over(desk)
    if how == "rated meanwhile":
        await desk.hear(said.rated())
    else:
        desk.later(days=40)
    sender = desk.new_sender({"console": desk.screen})
    await sender.send_due()
    (row,) = await desk.notices(template="please_rate")
    assert row["state"] == "CANCELLED"
    assert await sender.look_back(hours=1) == 1
    assert await sender.look_back(hours=1) == 0
    last = (await desk.runtime.log.read())[-1].event
    assert isinstance(last, NotificationUnknown)
    assert (last.channel, last.attempt, last.attempted_at) == ("console", 1, NOON)
    (row,) = await desk.notices(template="please_rate")
    assert (row["state"], row["channel"]) == ("UNKNOWN", "console")
    assert len(desk.screen.shown) == 1


async def test_a_sender_that_runs_looks_back_by_itself(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    await kill_at_hand_over(desk)
    await desk.hear(said.rated())

    async def told() -> bool:
        return "NotificationUnknown" in await desk.types()

    async with running(desk.new_sender({"console": desk.screen}).run()):
        await eventually(told, 20)


async def test_what_was_cancelled_before_any_attempt_or_after_one_that_failed_stays_cancelled(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    desk.screen.fails_with = NotTaken("channel_failed")
    await desk.sender.send_due()
    await desk.hear(said.rated())
    assert [row["state"] for row in await desk.notices(template="please_rate")] == ["CANCELLED"]
    assert await desk.sender.look_back(hours=1) == 0


async def test_a_channel_that_notices_repeats_gets_it_again_under_the_same_key(desk: Desk) -> None:
    desk.screen = Screen(deduplicates=True)
    desk.sender = desk.new_sender({"console": desk.screen})
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    await kill_at_hand_over(desk)
    await desk.new_sender({"console": desk.screen}).send_due()
    assert len(desk.screen.shown) == 2
    assert len(set(desk.screen.shown)) == 1
    (row,) = await desk.notices()
    assert row["state"] == "HANDED_OVER"


async def test_a_crash_at_the_inbox_leaves_nothing_or_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no line between the attempt and its outcome: the event is the hand-over."""
    await desk.contact(WANG)
    await desk.hear(said.confirmed())

    async def killed(*_args: Any, **_more: Any) -> None:
        raise Killed

    monkeypatch.setattr(desk.sender, "_record", killed)
    with pytest.raises(BaseExceptionGroup):
        await desk.sender.send_due()
    assert (await desk.done("GET", f"/inbox/{WANG}", None, WANG, Role.RESIDENT))["notices"] == []
    await desk.new_sender({}).send_due()
    await desk.new_sender({}).send_due()
    assert len((await desk.done("GET", f"/inbox/{WANG}", None, WANG, Role.RESIDENT))["notices"]) == 1
    assert (await desk.types()).count("NotificationHandedOver") == 1


async def test_two_senders_at_once_hand_over_once(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    other = desk.new_sender({"console": desk.screen})

    class Interleaved(Screen):
        """While the first hands over, the second looks at the same notice."""

        async def hand_over(self, *args: Any) -> None:
            await other.send_due()
            await desk.screen.hand_over(*args)

    await desk.new_sender({"console": Interleaved()}).send_due()
    assert len(desk.screen.shown) == 1
    # The second found an attempt without an outcome; the first knew the outcome after all.
    assert (await desk.types())[-2:] == ["NotificationUnknown", "NotificationHandedOver"]
    (row,) = await desk.notices()
    assert row["state"] == "HANDED_OVER"


async def test_a_failing_channel_is_tried_again_later_and_then_the_next(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.contact(WANG)
    await desk.hear(said.confirmed())
    desk.screen.fails_with = ConnectionRefusedError()
    await desk.sender.send_due()
    assert await desk.sender.send_due() == 0, "its next try is a minute later"
    for minutes in (1, 5, 15, 60):
        desk.later(minutes=minutes)
        assert await desk.sender.send_due() == 1
    assert await desk.sender.send_due() == 1, "the inbox at once"
    assert (await desk.types()).count("NotificationFailed") == 5
    (row,) = await desk.notices()
    assert (row["state"], row["channel"], row["attempts"]) == ("HANDED_OVER", "in_app", 6)


async def test_what_a_channel_will_never_take_goes_to_the_phone_list(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.confirmed())
    desk.screen.fails_with = NotTaken("not_taken")
    await desk.sender.send_due()
    (call,) = await desk.notices(by_phone=True)
    assert (call["ref"], call["to_role"], call["state"]) == (WANG, "REVIEWER", "QUEUED")
    assert await desk.templates(state="FAILED") == ["please_rate"]


async def test_a_resident_without_a_contact_is_telephoned_a_donor_is_left_in_peace(desk: Desk) -> None:
    await desk.hear(said.confirmed(), said.received())
    await desk.sender.send_due()
    assert {(row["template"], row["reason_code"]) for row in await desk.notices(state="FAILED")} == {
        ("please_rate", "no_contact"),
        ("gift_thanks", "no_contact"),
    }
    (call,) = await desk.notices(state="QUEUED")
    assert (call["template"], call["by_phone"]) == ("please_rate", True)
    assert await desk.sender.send_due() == 0, "the phone list is people's work"
    assert (await desk.notices(ref=DONOR, by_phone=True)) == []


async def test_staff_find_their_work_in_the_inbox_without_choosing_it(desk: Desk) -> None:
    await desk.hear(said.granted(LEE, Role.DISPATCHER))
    await desk.hear(said.placed())
    await desk.sender.send_due()
    (row,) = await desk.notices(template="order_to_triage")
    assert (row["state"], row["channel"]) == ("HANDED_OVER", "in_app")


async def test_a_digest_is_sent_only_while_something_is_open(desk: Desk) -> None:
    await desk.contact(ANNA)
    await desk.hear(said.placed(mode="inquiry"), said.opened(invited=(ANNA,)))
    desk.later(minutes=15)
    await desk.sender.send_due()
    assert await desk.templates(state="HANDED_OVER") == ["pool_digest"]
    await desk.hear(said.opened(invited=(ANNA,)), said.staffed())
    desk.later(minutes=15)
    await desk.sender.send_due()
    (late,) = await desk.notices(template="pool_digest", state="CANCELLED")
    assert late["reason_code"] == "no_longer_open"


async def test_a_call_nobody_made_in_time_leaves_the_list(desk: Desk) -> None:
    await desk.hear(said.cancelled(60))
    desk.clock.at = END
    await desk.sender.send_due()
    (call,) = await desk.notices(template="call_visit_cancelled")
    assert (call["state"], call["reason_code"]) == ("CANCELLED", "expired")


async def test_many_notices_are_handed_over_in_one_look(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(*(said.confirmed() for _ in range(40)))
    assert await desk.sender.send_due() == 40
    assert len(set(desk.screen.shown)) == 40
    assert len(await desk.notices(state="HANDED_OVER")) == 40

"""Who takes the consent to be contacted back is told in the inbox they read, and nowhere else (个人信息保护法 §15)."""

from tests.notify import said
from tests.notify.desk import Desk
from tests.notify.examples import WANG


async def test_a_channel_outside_is_not_used_any_more_and_the_inbox_is(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.contact(WANG, "in_app")
    await desk.hear(said.consent_withdrawn())
    await desk.hear(said.placed())
    await desk.sender.send_due()
    (row,) = await desk.notices(ref=WANG)
    assert (row["state"], row["channel"]) == ("HANDED_OVER", "in_app")
    assert desk.screen.shown == []


async def test_without_an_inbox_nobody_calls_instead(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.consent_withdrawn())
    await desk.hear(said.placed())
    await desk.sender.send_due()
    (row,) = await desk.notices(ref=WANG)
    assert (row["state"], row["reason_code"]) == ("CANCELLED", "contact_not_wanted")


async def test_calls_that_wait_are_taken_off_the_list_and_later_ones_are_not_put_on_it(desk: Desk) -> None:
    await desk.hear(said.unfulfilled())
    assert [row["state"] for row in await desk.notices(ref=WANG, by_phone=True)] == ["QUEUED"]
    await desk.hear(said.consent_withdrawn())
    (call,) = await desk.notices(ref=WANG, by_phone=True)
    assert (call["state"], call["reason_code"]) == ("CANCELLED", "contact_not_wanted")
    await desk.hear(said.rated(1))
    assert len(await desk.notices(ref=WANG, by_phone=True)) == 1


async def test_another_purpose_changes_nothing_and_a_consent_given_again_counts(desk: Desk) -> None:
    await desk.contact(WANG, "console")
    await desk.hear(said.consent_withdrawn(purpose="publish_name"))
    await desk.hear(said.placed())
    await desk.sender.send_due()
    assert len(desk.screen.shown) == 1
    await desk.hear(said.consent_withdrawn())
    await desk.hear(said.consented())
    await desk.hear(said.confirmed())
    await desk.sender.send_due()
    assert len(desk.screen.shown) == 2

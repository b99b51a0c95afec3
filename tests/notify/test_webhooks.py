"""Webhooks end to end: orders says something, notify sends it on, a real server receives it."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from standardwebhooks import WebhookVerificationError

from contracts.command import Role
from contracts.notify import WebhookDisabled, WebhookEnabled, WebhookRegistered
from eventstore.losses import forget
from eventstore.replay import replay
from services.notify.app import definition
from services.notify.senders.posting import retry_after
from tests.notify import said
from tests.notify.desk import Desk
from tests.notify.examples import LEE, ZHAO
from tests.notify.hooks import DECLINED, LANE_WAIT, RETIRED, Hooks, declined, retired
from tests.notify.receiver import Answer, Sent, status
from tests.support.logs import superuser
from tests.support.waiting import eventually

START = [{"log": "orders", "after": 0}]


async def test_events_asked_for_arrive_in_order_byte_for_byte_and_signed(hooks: Hooks) -> None:
    await hooks.say(declined(1), retired(), declined(2))
    webhook_id = await hooks.register(DECLINED, starts=START)
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 3)
        await hooks.say(declined(3), retired())
        await hooks.stands_at(webhook_id, 5)
    stored = await hooks.orders.read_raw(0, 10)
    wanted = [event for event in stored if event.position in {1, 3, 4}]
    assert [sent.body for sent in hooks.receiver.sent] == [event.body for event in wanted]
    assert [sent.headers["webhook-id"] for sent in hooks.receiver.sent] == [str(event.event_id) for event in wanted]
    secret = (await hooks.secret(webhook_id))["secret"]
    assert [sent.verified(secret)["type"] for sent in hooks.receiver.sent] == ["OfferDeclined"] * 3
    (lane,) = (await hooks.webhook(webhook_id))["logs"]
    assert (lane["position"], lane["delivered"], lane["failures"], lane["behind"]) == (5, 3, 0, 0)


async def test_what_it_takes_to_reach_it_lies_in_no_event(hooks: Hooks) -> None:
    webhook_id = await hooks.register(RETIRED, description="给居委会大屏")
    (recorded,) = await hooks.desk.runtime.log.read()
    assert isinstance(recorded.event, WebhookRegistered)
    secret = (await hooks.secret(webhook_id))["secret"]
    for word in (hooks.receiver.url(), "127.0.0.1", "大屏", secret.removeprefix("whsec_")):
        assert word.encode() not in recorded.body
    url = (await hooks.webhook(webhook_id))["url"]
    assert await hooks.desk.runtime.vault.matches(recorded.event.target_ref, "url", recorded.event.target_commitment)
    assert url == hooks.receiver.url()


async def test_what_cannot_be_sent_is_refused(desk: Desk) -> None:
    """On a service as shipped: no private address, no plain http."""
    good = {"url": "https://hooks.example.org/", "events": [DECLINED]}
    both = {"log": "orders", "after": 0, "since": "2026-03-05T00:00:00Z"}
    for change, reason_code in (
        ({"events": ["orders.DisputeRaised"]}, "event_internal"),
        ({"events": ["notify.PolicyAdopted"]}, "event_unknown"),
        ({"events": ["orders.OrderVanished"]}, "event_unknown"),
        ({"events": ["OrderPlaced"]}, "invalid_request"),
        ({"events": []}, "invalid_request"),
        ({"starts": [{"log": "ledger", "after": 0}]}, "start_unused"),
        ({"starts": [{"log": "orders", "after": 1}]}, "position_beyond_log"),
        ({"starts": [both]}, "invalid_request"),
        ({"url": "ftp://hooks.example.org/"}, "invalid_request"),
        ({"url": "http://hooks.example.org/"}, "url_refused"),
        ({"url": "https://10.0.0.7/"}, "url_refused"),
        ({"url": "https://user:word@hooks.example.org/"}, "url_refused"),
        ({"url": "https://hooks.example.org/#here"}, "url_refused"),
    ):
        await desk.refused(422, reason_code, "POST", "/webhooks", {**good, **change}, ZHAO, Role.ADMIN)
    await desk.refused(403, "forbidden", "POST", "/webhooks", good, LEE, Role.DISPATCHER)


async def test_one_that_hangs_or_fails_delays_no_other(hooks: Hooks) -> None:
    hanging = await hooks.register(path="/hangs", starts=START)
    failing = await hooks.register(path="/fails", starts=START)
    well = await hooks.register(path="/well", starts=START)
    let_go = asyncio.Event()

    async def hang(_: Sent) -> bytes:
        await let_go.wait()
        return status(204)

    by_path: dict[str, Answer] = {"/hangs": hang, "/fails": lambda _: status(500), "/well": lambda _: status(204)}
    hooks.receiver.answer = lambda sent: by_path[sent.path](sent)
    await hooks.say(*map(declined, range(1, 8)))
    async with hooks.sending():
        await hooks.stands_at(well, 7)
        assert hooks.receiver.positions("/well") == [1, 2, 3, 4, 5, 6, 7]
        await hooks.failing(failing, 1)
        assert hooks.receiver.positions("/hangs") == [1]
        let_go.set()
        await hooks.stands_at(hanging, 7)
    assert hooks.receiver.positions("/fails") == [1], "what comes after an event waits until it is taken"


async def test_a_failure_is_tried_again_later_and_later_and_then_all_go_on_in_order(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    await hooks.say(declined(1), declined(2))
    hooks.receiver.answer = lambda _: status(503)
    pauses = []
    async with hooks.sending():
        for failures in (1, 2, 3):
            place = await hooks.failing(webhook_id, failures)
            assert place.reason_code == "status_503"
            pauses.append((place.due_at - hooks.real.now()).total_seconds())
            if failures == 3:
                hooks.receiver.answer = lambda _: status(204)
            hooks.real.at = place.due_at
        await hooks.stands_at(webhook_id, 2)
    assert hooks.receiver.positions() == [1, 1, 1, 1, 2]
    assert len({sent.headers["webhook-id"] for sent in hooks.receiver.sent[:4]}) == 1
    for pause, usual in zip(pauses, (5, 300, 1800), strict=True):
        assert usual * 0.8 <= pause <= usual * 1.2
    (lane,) = (await hooks.webhook(webhook_id))["logs"]
    assert (lane["failures"], lane["failing_since"], lane["reason_code"], lane["next_try_at"]) == (0, None, None, None)


async def test_a_receiver_that_says_when_to_come_again_is_asked_no_sooner_and_within_a_day(hooks: Hooks) -> None:
    """The schedule's own pauses are 5 s, 5 min, 30 min, 2 h, 5 h and 10 h, each a fifth more or less."""
    webhook_id = await hooks.register(starts=START)
    await hooks.say(declined(1))
    in_three_hours = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)
    asked = [
        (status(503, "Retry-After: 900"), 900, 900),
        (status(429, f"Retry-After: {in_three_hours}"), 3 * 3600 - 60, 3 * 3600),
        (status(503, "retry-after: 99999999999999999999"), 86_400, 86_400),
        (status(500, "Retry-After: 80000"), 7200 * 0.8, 7200 * 1.2),  # no word of patience with a 500
        (status(503, "Retry-After: soon"), 18_000 * 0.8, 18_000 * 1.2),
        (status(503, "Retry-After: 1"), 36_000 * 0.8, 36_000 * 1.2),
    ]
    answers: list[bytes] = []
    hooks.receiver.answer = lambda _: answers[-1]
    async with hooks.sending():
        for failures, (answer, least, most) in enumerate(asked, 1):
            answers.append(answer)
            if failures > 1:
                hooks.real.at = (await hooks.place(webhook_id)).due_at
            place = await hooks.failing(webhook_id, failures)
            assert least <= (place.due_at - hooks.real.now()).total_seconds() <= most, answer
        answers.append(status(204))
        hooks.real.at = (await hooks.place(webhook_id)).due_at
        await hooks.stands_at(webhook_id, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Thu, 05 Mar 2026 12:02:00 GMT", 120),
        ("Thursday, 05-Mar-26 12:02:00 GMT", 120),
        ("Thu Mar  5 12:02:00 2026", 120),
        ("Thu, 05 Mar 2026 11:59:00 GMT", None),
        ("9" * 40, 365 * 86_400),
        ("Thu, 05 Mar 9999 12:02:00 GMT", 365 * 86_400),
        *((text, None) for text in ("", "soon", "-5", "1.5", "\u0661\u0662", "Thu, 99 Mar 2026 12:02:00 GMT")),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nothing_else(text: str, seconds: int | None) -> None:
    found = retry_after(text, datetime(2026, 3, 5, 12, 0, tzinfo=UTC))
    assert (None if found is None else found.total_seconds()) == seconds


async def test_410_disables_at_once_and_administrators_are_told(hooks: Hooks) -> None:
    await hooks.desk.hear(said.granted(ZHAO, Role.ADMIN))
    webhook_id = await hooks.register(starts=START)
    hooks.receiver.answer = lambda _: status(410)
    await hooks.say(declined(1), declined(2))
    async with hooks.sending():

        async def disabled() -> bool:
            return bool((await hooks.webhook(webhook_id))["state"] == "DISABLED")

        await eventually(disabled, LANE_WAIT)
        hooks.receiver.answer = lambda _: status(204)
        assert hooks.receiver.positions() == [1]
        (notice,) = await hooks.desk.notices(template="webhook_disabled")
        assert (notice["ref"], notice["to_role"]) == (ZHAO, "ADMIN")
        assert '"reason_code": "gone"' in notice["params"]
        await hooks.ask("POST", f"/webhooks/{webhook_id}/enable")
        await hooks.stands_at(webhook_id, 2)
    assert hooks.receiver.positions() == [1, 1, 2], "it went on where it had stopped"
    events = [each.event for each in await hooks.desk.runtime.log.read() if "webhook" in each.stream]
    kinds = [type(event) for event in events if not hasattr(event, "notification_id")]
    assert kinds == [WebhookRegistered, WebhookDisabled, WebhookEnabled]
    again = await hooks.ask("POST", f"/webhooks/{webhook_id}/enable", status=409)
    assert again["reason_code"] == "webhook_enabled"


async def test_one_that_takes_nothing_for_days_is_disabled(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    hooks.receiver.answer = lambda _: status(302, "Location: http://127.0.0.1:1/elsewhere")
    await hooks.say(declined(1))
    async with hooks.sending():
        place = await hooks.failing(webhook_id, 1)
        assert place.reason_code == "redirected", "a redirect is not followed"
        hooks.real.at += timedelta(days=5)

        async def disabled() -> bool:
            return bool((await hooks.webhook(webhook_id))["reason_code"] == "failing")

        await eventually(disabled, LANE_WAIT)
    (notice,) = await hooks.desk.notices(template="webhook_disabled")
    assert notice["by_phone"], "nobody is an administrator here: it waits on the list that all staff see"


async def test_a_disabled_one_is_sent_nothing(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    other = await hooks.register(path="/other", starts=START)
    await hooks.ask("POST", f"/webhooks/{webhook_id}/disable", {"reason_code": "moved"})
    await hooks.say(declined(1))
    async with hooks.sending():
        await hooks.stands_at(other, 1)
    assert hooks.receiver.positions() == []
    assert (await hooks.webhook(webhook_id))["reason_code"] == "moved"


async def test_while_a_secret_is_changed_both_sign(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    old = (await hooks.secret(webhook_id))["secret"]
    await hooks.ask("POST", f"/webhooks/{webhook_id}/rotate-secret", {"overlap_hours": 1})
    both = await hooks.secret(webhook_id)
    assert both["previous_secret"] == old != both["secret"]
    await hooks.say(declined(1))
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 1)
        (sent,) = hooks.receiver.sent
        assert sent.verified(old) == sent.verified(both["secret"])
        hooks.real.at += timedelta(hours=2)
        await hooks.say(declined(2))
        await hooks.stands_at(webhook_id, 2)
    last = hooks.receiver.sent[-1]
    assert last.verified(both["secret"])
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        last.verified(old)


async def test_a_log_is_sent_again_from_any_position_and_from_any_time(hooks: Hooks) -> None:
    await hooks.say(declined(1), declined(2), declined(3))
    third = (await hooks.orders.read(2, 1))[0].recorded_at
    webhook_id = await hooks.register(starts=[{"log": "orders", "since": third.isoformat()}])
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 3)
        assert hooks.receiver.positions() == [3]
        await hooks.ask("POST", f"/webhooks/{webhook_id}/replay", {"log": "orders", "after": 1})
        await eventually(lambda: hooks.receiver.positions() == [3, 2, 3], LANE_WAIT)
    beyond = await hooks.ask("POST", f"/webhooks/{webhook_id}/replay", {"log": "orders", "after": 4}, 422)
    assert beyond["reason_code"] == "position_beyond_log"


async def test_a_wiped_nats_and_a_rebuilt_read_model_send_nothing_twice(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    await hooks.say(declined(1), declined(2))
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 2)
        await asyncio.to_thread(hooks.nats.kill)
        hooks.nats.wipe()
        await asyncio.to_thread(hooks.nats.start)
        await hooks.say(declined(3))

        async def went_on() -> bool:
            # While the stream was empty the lane waited, from whenever it found it so.
            hooks.real.at += timedelta(minutes=1)
            return bool((await hooks.place(webhook_id)).position == 3)

        await eventually(went_on, LANE_WAIT)
    config = hooks.desk.served.world.settings("notify").log_config("migrator")
    client = await hooks.connection.client()
    report = await replay(config, definition.read_models, swap=True, nats=client)
    assert {table.name: table.rows for table in report.tables}["webhooks"] == 1
    async with hooks.sending():
        await hooks.say(declined(4))
        await hooks.stands_at(webhook_id, 4)
    assert hooks.receiver.positions() == [1, 2, 3, 4]


async def test_where_the_log_is_not_the_one_that_was_sent_it_stops_and_says_so(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    await hooks.say(declined(1))
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 1)
    pool = hooks.desk.runtime.log.pool
    # What a restored copy of notify, or of orders, comes to: a place that the log has not, or has otherwise.
    for change, reason_code in (
        ("position = 9", "beyond_the_log"),
        ("position = 1, event_id = gen_random_uuid()", "other_history"),
    ):
        await pool.execute(f"UPDATE notify.deliveries SET reason_code = NULL, due_at = NULL, {change}")
        await hooks.say(declined(2))
        async with hooks.sending():

            async def stopped(reason_code: str = reason_code) -> bool:
                return bool((await hooks.place(webhook_id)).reason_code == reason_code)

            await eventually(stopped, LANE_WAIT)
            await eventually(lambda: "webhooks" in hooks.desk.runtime.status.degraded, LANE_WAIT)
    assert hooks.receiver.positions() == [1]


async def test_without_its_address_a_webhook_waits_and_says_so(hooks: Hooks) -> None:
    """As in a place that a bundle was imported into: the log is there, the vault is not."""
    webhook_id = await hooks.register(starts=START)
    await hooks.desk.runtime.vault.erase_now(UUID(webhook_id))
    await hooks.say(declined(1))
    async with hooks.sending():

        async def told() -> bool:
            place = await hooks.place(webhook_id)
            return bool(place is not None and place.reason_code == "no_address")

        await eventually(told, LANE_WAIT)
    assert (await hooks.webhook(webhook_id))["url"] is None
    await hooks.ask("POST", f"/webhooks/{webhook_id}/rotate-secret", {}, 404)
    await hooks.ask("POST", f"/webhooks/{webhook_id}/disable", {})


async def test_after_a_loss_it_goes_on_after_what_is_left(hooks: Hooks) -> None:
    webhook_id = await hooks.register(starts=START)
    await hooks.say(declined(1), declined(2), declined(3))
    async with hooks.sending():
        await hooks.stands_at(webhook_id, 3)
    async with superuser(hooks.desk.served.world.database) as connection:
        await forget(connection, "notify", "orders", 1)
    place = await hooks.place(webhook_id)
    assert (place.position, place.event_id) == (1, None)


async def test_a_message_to_try_it_says_what_came_of_it(hooks: Hooks) -> None:
    webhook_id = await hooks.register(RETIRED)
    tried = await hooks.ask("POST", f"/webhooks/{webhook_id}/test")
    assert (tried["delivered"], tried["status"]) == (True, 204)
    (sent,) = hooks.receiver.sent
    assert sent.headers["webhook-id"] == tried["message_id"]
    assert sent.verified((await hooks.secret(webhook_id))["secret"])["type"] == "WebhookTried"
    hooks.receiver.answer = lambda _: status(500, body=b"x" * 200_000)
    failed = await hooks.ask("POST", f"/webhooks/{webhook_id}/test")
    assert (failed["delivered"], failed["reason_code"]) == (False, "status_500")
    assert (await hooks.place(webhook_id)) is None
    await hooks.ask("GET", f"/webhooks/{LEE}/secret", status=404)

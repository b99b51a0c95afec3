"""The tables say what happened; folding both logs again gives the same rows; and free time is read as it was said."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import nats
import pytest
import sqlalchemy as sa

from contracts import volunteers
from contracts.command import Role
from contracts.envelope import decode
from contracts.event import EVENTS
from contracts.orders import OrderEvent
from eventstore.replay import pair, replay
from eventstore.streams import ensure_stream
from services.orders.app import definition
from services.orders.read_models import tables as t
from services.orders.read_models.facts import available
from services.orders.read_models.own import _FOLDS, OrdersModel
from services.orders.read_models.people import PeopleCopy
from services.orders.read_models.relations import covers
from tests.orders.lives import another_turn, besides_the_book, said_again
from tests.orders.lives_aside import disputed, followed_up, looked_after
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, GUO, MONDAY_NINE, RUI, WANG, WANG_SON, ZHAN
from tests.support.servers import TestNats

VOLUNTEER, DISPATCHER, RESIDENT = Role.VOLUNTEER, Role.DISPATCHER, Role.RESIDENT


async def live_a_little(quarter: Quarter) -> None:
    """Every event that orders says, at least once."""
    at: dict[str, Any] = {"role": Role.STATION_MANAGER, "recorded_at": MONDAY_NINE, "expires_on": date(2027, 1, 1)}
    team: dict[str, Any] = {"team_id": uuid4(), "team_code": "haircut-team", "role": Role.VOLUNTEER}
    weekly = (volunteers.WeeklySlot(weekday=2, from_minute=480, to_minute=720),)
    await quarter.hear(
        volunteers.LicenceRecorded(licence_id=uuid4(), volunteer_id=ANNA, licence="medical", due_at=TOMORROW, **at),
        volunteers.InsuranceRecorded(
            insurance_id=uuid4(), volunteer_id=ANNA, insurance="accident", valid_from=date(2026, 1, 1), **at
        ),
        volunteers.AvailabilitySet(volunteer_id=ANNA, weekly=weekly, role=VOLUNTEER, set_at=MONDAY_NINE),
        volunteers.RelationDeclared(
            relation_id=uuid4(), person_a_id=WANG, person_b_id=BO, kind="sibling", role=RESIDENT, declared_at=TOMORROW
        ),
        volunteers.TrainingCompleted(
            training_id=uuid4(),
            volunteer_id=ANNA,
            training="safety",
            completed_on=date(2026, 1, 1),
            role=Role.STATION_MANAGER,
            recorded_at=MONDAY_NINE,
        ),
        volunteers.TeamFounded(founder_id=ANNA, founded_at=MONDAY_NINE, **team),
        volunteers.MemberJoined(volunteer_id=ANNA, members=1, due_at=TOMORROW, joined_at=MONDAY_NINE, **team),
        volunteers.PersonBlocked(block_id=uuid4(), person_id=WANG, other_id=GUO, role=RESIDENT, blocked_at=MONDAY_NINE),
    )
    refused = await quarter.place()
    await quarter.done(f"/orders/{refused}/refuse", {"reason_code": "other", "words": "转物业"}, DUAN, DISPATCHER)
    declined = await quarter.verified()
    await quarter.done(f"/orders/{declined}/dispatch", {"volunteer_ids": [str(BO), str(CHEN)]}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{declined}/decline", {}, BO, VOLUNTEER)
    lost = await quarter.accepted()
    await quarter.done(f"/orders/{lost}/withdraw", {}, ANNA, VOLUNTEER)
    lapsed = await quarter.accepted(BO)
    await quarter.hear(quarter.paused(BO))
    need = {"result": "need", "resident_id": str(WANG), "item_code": "haircut", "consented": True}
    inquiry = await quarter.done("/inquiries", need, GUO, Role.GRID_WORKER)
    window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW + timedelta(hours=1)), "on_absence": "call"}
    path = f"/inquiries/{inquiry['inquiry_id']}/order"
    created = await quarter.done(path, window, ZHAN, Role.STATION_MANAGER)
    served = await quarter.served_order()
    await quarter.done(f"/orders/{served}/confirm", {}, WANG_SON, Role.PROXY)
    await quarter.done(f"/orders/{served}/rate", {"score": 4, "tags": ["kind"]}, RUI, Role.REVIEWER, X_Channel="phone")
    await besides_the_book(quarter)
    await another_turn(quarter)
    await said_again(quarter)
    await followed_up(quarter)
    await disputed(quarter)
    await looked_after(quarter)
    unclosed = await quarter.accepted(
        window_start=iso(quarter.now() + timedelta(hours=3)), window_end=iso(quarter.now() + timedelta(hours=4))
    )
    code = (await quarter.seen(f"/orders/{unclosed}", WANG, RESIDENT))["service_code"]
    await quarter.later(hours=3)
    await quarter.done(f"/orders/{unclosed}/start", {"service_code": code}, ANNA, VOLUNTEER)
    for days in (1, 3, 8, 31):
        await quarter.later(days=days)
        await quarter.fire()
    await quarter.done(f"/orders/{lost}/cancel", {"reason_code": "nobody_found"}, DUAN, DISPATCHER)
    declared = {"reason_code": "nobody_available", "seconded_by": str(ZHAN)}
    await quarter.done(f"/orders/{created['order_id']}/declare-unfulfilled", declared, DUAN, DISPATCHER)
    await quarter.done("/service-items/green-patrol/retire", {}, DUAN, DISPATCHER)
    await quarter.hear(quarter.erased(WANG))
    assert await quarter.state(lapsed) == "CANCELLED"


def test_every_step_of_an_order_is_folded() -> None:
    assert set(get_args(OrderEvent)) <= _FOLDS.keys()


async def test_replaying_both_logs_gives_the_same_rows(quarter: Quarter, nats_server: TestNats) -> None:
    await live_a_little(quarter)
    said = {recorded.type for recorded in await quarter.runtime.log.read(0, 10_000)}
    assert said == {name for service, name in EVENTS if service == "orders"} - {"PolicyAdopted", "LossAccepted"}
    client = await nats.connect(nats_server.url)
    try:
        stream = client.jetstream()
        await ensure_stream(stream, "chaoyangli", "volunteers")
        for message in quarter.heard:
            subject = f"chaoyangli.volunteers.{decode(message.body).type}"
            acknowledged = await stream.publish(subject, message.body)
            assert acknowledged.seq == message.position
        config = quarter.runtime.settings.log_config("migrator")
        report = await replay(config, definition.read_models, nats=client)
    finally:
        await client.close()
    assert report.compared, report.note
    assert [table.name for table in report.tables if not table.equal] == []
    filled = {table.name for table in report.tables if table.rows}
    assert filled == set(OrdersModel.metadata.tables) | set(PeopleCopy.metadata.tables)


async def test_two_processes_fold_every_event_of_orders(
    quarter: Quarter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What OrdersModel says of its tables holds for whatever orders says: nothing is folded again by one process."""
    await live_a_little(quarter)
    monkeypatch.setattr(pair, "WORTH_EVENTS", 1)
    monkeypatch.setattr(pair, "START_EVENTS", 0)
    folded: list[int] = []
    write = pair.Pair.write

    async def written(self: pair.Pair, *arguments: Any) -> None:
        folded.append(self.size)
        await write(self, *arguments)

    monkeypatch.setattr(pair.Pair, "write", written)
    caplog.clear()
    report = await replay(quarter.runtime.settings.log_config("migrator"), (OrdersModel(),))
    assert report.events > 100
    assert len(folded) == 1
    assert folded[0] > 10
    assert [record for record in caplog.records if record.name.startswith("eventstore.replay")] == []
    async with quarter.runtime.log.queries() as queries:
        for table in OrdersModel.metadata.sorted_tables:
            (there,) = [one for one in report.tables if one.name == table.name]
            assert there.rows == await queries.scalar(sa.select(sa.func.count()).select_from(table)), table.name


async def test_the_row_says_what_the_last_event_said(quarter: Quarter) -> None:
    await live_a_little(quarter)
    async with quarter.runtime.log.queries() as connection:
        rows = (await connection.execute(sa.select(t.orders))).mappings().all()
    assert rows
    for row in rows:
        recorded = (await quarter.runtime.log.read_stream(f"order-{row['order_id']}"))[-1]
        event: Any = recorded.event
        assert (row["version"], row["state"], row["next_due_at"], row["next_due_for"]) == (
            recorded.version,
            event.state.value,
            event.next_due_at,
            event.next_due_for,
        )


TUESDAY_NINE = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("weekly", "exceptions", "expected"),
    [
        (None, None, None),
        ([], [], None),
        ([[2, 540, 660]], [], True),
        ([[2, 540, 659]], [], False),
        ([[3, 0, 1440]], [], False),
        ([[2, 0, 1440]], [["2026-03-03", False, 0, 1440]], False),
        ([[2, 0, 1440]], [["2026-03-03", False, 660, 1440]], True),
        ([[3, 0, 1440]], [["2026-03-03", True, 480, 720]], True),
        ([], [["2026-03-03", True, 600, 720]], False),
        ([[2, 0, 1440]], [["2026-03-10", False, 0, 1440]], True),
    ],
)
def test_free_time_is_the_week_day_s_unless_the_day_differs(
    weekly: Any, exceptions: Any, expected: bool | None
) -> None:
    assert available(weekly, exceptions, TUESDAY_NINE, TUESDAY_NINE + timedelta(hours=2)) is expected


@pytest.mark.parametrize(
    ("scope", "scope_id", "expected"),
    [
        ("community", "chaoyangli", True),
        ("street", "xinxing", True),
        ("grid", "grid-01", True),
        ("grid", "grid-02", False),
        ("station", "station-civilization", True),
        ("station", "station-leifeng", False),
        ("entrance", "entrance-001", True),
        ("entrance", "entrance-002", False),
        ("team", "barbers", False),
    ],
)
def test_a_role_covers_the_places_in_its_scope(scope: str, scope_id: str, expected: bool) -> None:
    assert covers(scope, scope_id, "grid-01", "entrance-001") is expected

"""Replay folds and compares; it sends nothing."""

from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.replay import replay
from services.notify.app import definition
from tests.notify.desk import Desk
from tests.notify.examples import NOTICE_2, PARAMS, WANG, queue


async def test_a_replay_rebuilds_the_same_tables_and_sends_nothing(desk: Desk) -> None:
    await desk.contact(WANG, "console")

    async def build() -> Plan:
        params = PARAMS.model_copy(update={"orders": ()})
        call = queue(notification_id=NOTICE_2, ref=None, channels=("phone",), params=params)
        return Plan([queue(params=params), call])

    await desk.runtime.executor.execute(build, Metadata("system"))
    await desk.sender.send_due()
    assert len(desk.screen.shown) == 1
    size = await desk.served.size()
    config = desk.served.world.settings("notify").log_config("migrator")
    report = await replay(config, definition.read_models)
    assert report.ok
    assert {table.name: table.rows for table in report.tables if table.rows} == {"notices": 2, "contacts": 1}
    assert len(desk.screen.shown) == 1
    assert await desk.served.size() == size

"""A newer program's read models are made when it migrates: from the log, and copies from their streams."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from eventstore.errors import ReadModelMismatch
from eventstore.log import Log
from eventstore.replay import ReplayRefused
from servicekit.migrate import MigrateSettings, rebuild_service
from tests.support.logs import PASSWORDS, migrated, opened
from tests.support.messaging import plain_client
from tests.support.replays import MODELS, Consents, carry, hear, write_calendar, write_consents
from tests.support.servers import Database


class NewerConsents(Consents):
    """The same copy, another version of its fold."""

    version = 2

    def apply(self, recorded, rows) -> None:
        super().apply(recorded, rows)
        rows.update(
            self.consents, (recorded.event.person_id, recorded.event.purpose), withdrawn_at=recorded.recorded_at
        )


def settings_of(database: Database, secrets: Path, nats_url: str) -> MigrateSettings:
    (secrets / "orders_migrator.password").write_text(PASSWORDS.migrator)
    return MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=database.name,
        superuser_password=SecretStr(database.superuser_password),
        secrets_dir=secrets,
        services="orders",
        nats_url=nats_url,
        wait_seconds=0,
    )


async def test_newer_read_models_are_made_when_the_program_migrates(database, nats_server, tmp_path):
    config = await migrated(database, read_models=MODELS)
    others = await migrated(database, "volunteers")
    newer = (MODELS[0], NewerConsents())
    async with opened(config, MODELS) as log, opened(others) as volunteers, plain_client(nats_server) as client:
        await write_calendar(log, 30, 1)
        await write_consents(volunteers, 40, 1)
        await carry(volunteers, client)
        await hear(log, volunteers, 40)
    settings = settings_of(database, tmp_path, nats_server.url)
    await rebuild_service(settings, "orders", MODELS)
    with pytest.raises(ReadModelMismatch):
        await Log.open(config, newer)
    await rebuild_service(settings, "orders", newer)
    async with opened(config, newer) as log, log.queries() as queries:
        consents = (await queries.execute(sa.select(Consents.consents))).all()
    assert len(consents) > 20
    assert all(row.withdrawn_at is not None for row in consents)


async def test_without_nats_old_copies_stay_and_it_is_said(database, tmp_path):
    config = await migrated(database, read_models=MODELS)
    settings = settings_of(database, tmp_path, "nats://127.0.0.1:1")
    with pytest.raises(ReplayRefused, match="NATS cannot be reached"):
        await rebuild_service(settings, "orders", (MODELS[0], NewerConsents()))
    async with opened(config, MODELS) as log:
        await write_calendar(log, 1, 1)

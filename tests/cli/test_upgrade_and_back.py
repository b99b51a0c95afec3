"""A backup before an upgrade, and what putting it back does: led up by the new program, or the way back to the old one.

The old program is this one with a migration less, on a database without what that migration makes.
"""

import asyncio
import contextlib

import asyncpg
import pytest

import eventstore.migrate
from cli.client import Actor
from contracts.command import Role
from contracts.event import EVENTS
from tests.cli.losses import ask, registering, roots, sizes, up
from tests.cli.program import say
from tests.cli.towns import deployed

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
OK, CHECK_FAILED, PENDING = 0, 1, 6
KNOWN = tuple(eventstore.migrate.migrations())
EARLIER, LAST = KNOWN[:-1], KNOWN[-1]
ALL_SERVICES = ("orders", "volunteers", "ledger", "notify")


@pytest.fixture
def earlier_program(monkeypatch):
    """Commands within are those of the program before the last migration."""

    @contextlib.contextmanager
    def program(*unknown):
        with monkeypatch.context() as patched:
            for module in ("eventstore.migrate", "cli.upgrade", "cli.backup.loading"):
                patched.setattr(f"{module}.migrations", lambda: list(EARLIER))
            for event in unknown:
                patched.delitem(EVENTS, event)
            yield

    return program


def as_it_was_before(stack) -> None:
    """Take away what the last migration made, and have read models be of another version."""
    assert LAST.name == "0006_deliveries.sql", "say here how to take away what the new one makes"

    async def run():
        connection = await asyncpg.connect(stack.servers.postgres.dsn("chaoyangli"))
        try:
            for service in ALL_SERVICES:
                await connection.execute(
                    f"""DROP TABLE {service}.deliveries;
                        DELETE FROM {service}.schema_version WHERE number = {LAST.number};
                        UPDATE {service}.read_model_state SET version = 'of-before' WHERE schema_name LIKE '%_read'"""
                )
        finally:
            await connection.close()

    asyncio.run(run())


def checked():
    said = say("upgrade", "--check", "--json")
    return said.code, said.document


def test_a_backup_from_before_an_upgrade_is_led_up_or_is_the_way_back(lived, earlier_program):
    data, backups = lived.copy("upgraded"), lived.place / "before-the-upgrade"
    with deployed(data) as stack:
        as_it_was_before(stack)
        code, document = checked()
        assert (code, document["state"]) == (PENDING, "pending")
        assert document["next"].startswith("make a backup (`chaoyangli backup`), stop the services")
        with earlier_program():
            assert say("backup", "--to", backups / "old").code == OK
        # Whoever reads that advice has the new program at hand already.
        assert say("backup", "--to", backups / "new").code == OK
    (of_old,), (of_new,) = (list((backups / name).glob("2*")) for name in ("old", "new"))

    async def hook(client):
        body = {"url": "https://hooks.example.org/", "events": ["orders.OfferExpired"]}
        await client.command("notify", "/v1/webhooks", body, actor=Actor.of(lived.admin, Role.ADMIN))

    with up(data) as urls:
        ask(data, urls, registering(lived.admin, 91))
        ask(data, urls, hook)
    after, counts = roots(data), sizes(data)
    assert counts["volunteers"] > 0

    with deployed(data):
        assert checked()[0] == OK
        # The old program is not let near what the new one made, and says what is.
        with earlier_program():
            code, document = checked()
            assert (code, document["state"]) == (CHECK_FAILED, "refused")
            assert "is newer than this program" in document["services"]["orders"]["refused"][0]
            assert "`chaoyangli restore`" in document["next"]
        assert say("backup", "--to", backups / "after").code == OK
        (of_after,) = (backups / "after").glob("2*")
        with earlier_program():
            said = say("restore", of_after)
            assert said.code == CHECK_FAILED, said
            assert "Restore it with that version or a later one; nothing was changed" in said.err
        for backup in (of_old, of_new):
            said = say("restore", backup, "--json")
            assert said.code == OK, said
            assert said.document["recovered"]["notify"] > 0
            assert checked()[0] == OK, "led up while it was put back"
            assert roots(data) == after
            assert say("restore", "--rollback").code == OK
        with earlier_program(("notify", "WebhookRegistered")):
            said = say("restore", of_old, "--json")
            assert said.code == CHECK_FAILED, said
            assert "is the first WebhookRegistered which this program does not know. Nothing was changed" in said.err
            assert "no restore is under way" in say("restore", "--continue").err
        with earlier_program():
            said = say("restore", of_old, "--json")
            assert said.code == OK, said
            assert roots(data) == after, "what was recorded since came from the streams"
        code, document = checked()
        assert (code, document["state"]) == (PENDING, "pending"), "the old program's database"
        assert say("restore", "--rollback").code == OK

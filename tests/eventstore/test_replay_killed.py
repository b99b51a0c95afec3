"""PostgreSQL is killed at the worst moment of a replay: just after a comparison threw its tables away."""

import asyncio
from threading import Thread

from eventstore.replay import replay
from tests.support.logs import as_role, migrated, opened
from tests.support.replays import MODELS, write_calendar
from tests.support.servers import TestPostgres, temporary_directory

CALENDAR = (MODELS[0],)


async def test_a_server_killed_right_after_a_comparison_starts_again():
    with temporary_directory() as directory:
        server = TestPostgres(directory)
        await asyncio.to_thread(server.start)
        try:
            database = await asyncio.to_thread(server.create_database)
            config = await migrated(database, read_models=CALENDAR)
            async with opened(config, CALENDAR) as log:
                await write_calendar(log, 200, 1)

                def written(_done: int, _of: int) -> None:
                    # Whoever commits meanwhile has the new tables' records written too, but not that of the rollback.
                    other = Thread(target=server.run, args=("SELECT pg_logical_emit_message(true, '', '')",))
                    other.start()
                    other.join()

                report = await replay(as_role(config, "migrator"), CALENDAR, progress=written)
                assert report.ok
                server.kill()
            server.start()
            async with opened(config, CALENDAR) as log:
                assert (await log.head()).size == 200
        finally:
            server.stop()

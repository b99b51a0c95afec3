"""Errors that are nobody's mistake: a server is away, slow or full. Whoever meets them waits and tries again."""

import asyncpg
import nats.errors

STORE_TROUBLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # asyncpg's word for a connection that broke in the middle of a statement
    asyncpg.InternalClientError,
)
NATS_TROUBLE = (OSError, TimeoutError, nats.errors.Error)

"""One event to one webhook: signed as Standard Webhooks has it, posted once, and what came of it.

The body is the published event, byte for byte, as it lies in the log; `webhook-id` is the event's id, so a receiver
that was sent an event twice knows it.
"""

import asyncio
import base64
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpcore
from standardwebhooks import Webhook

from services.notify.senders.addresses import AddressRefused, Pinned, check_url

POST_SECONDS = 15.0
"""Connecting, sending, and waiting for the answer's status, together. Standard Webhooks: 15 to 30 s."""
ANSWER_BYTES_MAX = 65_536
"""So much of an answer is read, for the connection's sake; nothing in it counts but the status."""
CONNECTIONS_MAX = 64
IDLE_SECONDS = 5.0
GONE = "gone"
"""410: the receiver wants no more, ever."""
PATIENCE = frozenset({429, 503})
"""With these a receiver may say when to come again."""
PATIENCE_MAX = timedelta(days=365)
_SECRET_BYTES = 32
_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class Keys:
    """Where to send, and the secrets that sign: the present one first, then a former one that still may."""

    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one post."""

    reason_code: str
    """`delivered`; else `gone`, `status_503`, `redirected`, `timed_out`, `unreachable`, `tls_failed`,
    `address_refused`, `answer_unreadable`."""
    status: int | None = None
    retry_after: timedelta | None = None
    """How long the receiver asks to be left alone (RFC 9110 §10.2.3), with a 429 or a 503 only."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver has it: a status of 200 to 299."""
        return self.reason_code == "delivered"


def headers(keys: Keys, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one message. `at`: when it is posted, aware, UTC."""
    text = body.decode()
    signatures = " ".join(Webhook(secret).sign(message_id, at, text) for secret in keys.secrets)
    return {
        "content-type": _CONTENT_TYPE,
        "user-agent": "chaoyangli-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }


class Poster:
    """Posts to webhooks. `private`: private addresses and plain http are allowed."""

    def __init__(self, *, private: bool, tls: ssl.SSLContext | None = None, seconds: float = POST_SECONDS) -> None:
        self._private = private
        self._seconds = seconds
        # httpcore follows no redirect, reads no proxy from the environment, and keeps no cookie.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=Pinned(private=private),
        )

    async def close(self) -> None:
        """Close what is kept open."""
        await self._pool.aclose()

    async def post(self, keys: Keys, message_id: str, body: bytes) -> Outcome:
        """Post once. Every way it can go is an Outcome."""
        answered: list[tuple[int, timedelta | None]] = []
        failure = ""
        try:
            check_url(keys.url, private=self._private)
            async with asyncio.timeout(self._seconds):
                await self._send(keys, message_id, body, answered)
        except AddressRefused:
            failure = "address_refused"
        except (TimeoutError, httpcore.TimeoutException):
            failure = "timed_out"
        except httpcore.NetworkError as error:
            failure = "tls_failed" if _is_tls(error) else "unreachable"
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            failure = "answer_unreadable"
        if not answered:
            return Outcome(failure)
        # Whatever went wrong after the status came: it is what counts.
        ((status, retry_after),) = answered
        if 200 <= status < 300:
            return Outcome("delivered", status)
        if status == 410:
            return Outcome(GONE, status)
        return Outcome("redirected" if 300 <= status < 400 else f"status_{status}", status, retry_after)

    async def _send(
        self, keys: Keys, message_id: str, body: bytes, answered: list[tuple[int, timedelta | None]]
    ) -> None:
        sent = headers(keys, message_id, datetime.now(UTC), body)
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        async with self._pool.stream("POST", keys.url, headers=pairs, content=body) as response:
            status = int(response.status)
            answered.append((status, _asked(response.headers) if status in PATIENCE else None))
            # A short answer is read whole, so that the connection may serve again; a long one is left.
            size = 0
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    return


def _asked(pairs: Sequence[tuple[bytes, bytes]]) -> timedelta | None:
    given = [value for name, value in pairs if name.lower() == b"retry-after"]
    return retry_after(given[0].decode("ascii", "replace"), datetime.now(UTC)) if len(given) == 1 else None


def retry_after(text: str, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for, at most a year: seconds, or a date of HTTP; None for anything else or the past."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:12])), PATIENCE_MAX)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date of HTTP is always UTC, also where `-0000` or nothing says so.
    pause = (until if until.tzinfo is not None else until.replace(tzinfo=UTC)) - now
    return min(pause, PATIENCE_MAX) if pause > timedelta(0) else None


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def signing(opened: dict[str, str], now: datetime) -> Sequence[str]:
    """Which of a webhook's secrets sign now. `opened`: its fields in the vault."""
    until = opened.get("previous_until")
    if until and now < datetime.fromisoformat(until):
        return (opened["secret"], opened["previous_secret"])
    return (opened["secret"],)

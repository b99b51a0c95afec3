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
from datetime import UTC, datetime

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
        answered: list[int] = []
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
        (status,) = answered
        if 200 <= status < 300:
            return Outcome("delivered", status)
        if status == 410:
            return Outcome(GONE, status)
        return Outcome("redirected" if 300 <= status < 400 else f"status_{status}", status)

    async def _send(self, keys: Keys, message_id: str, body: bytes, answered: list[int]) -> None:
        sent = headers(keys, message_id, datetime.now(UTC), body)
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        async with self._pool.stream("POST", keys.url, headers=pairs, content=body) as response:
            answered.append(int(response.status))
            # A short answer is read whole, so that the connection may serve again; a long one is left.
            size = 0
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    return


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

"""The client that acts for many people: whose token it sends, what it waits for, and what it sends again."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest

from cli.client import TRIES_MAX, Actor, Client, ProblemError
from contracts.command import Role
from servicekit.tokens import Verifier, jwks, new_issuer_key

PERSON, PARENT = UUID(int=1), UUID(int=2)
DISPATCHER = Actor.of(PERSON, Role.DISPATCHER)
OK: tuple[int, dict[str, str], dict[str, object]] = (200, {}, {"order_id": "x", "positions": {"orders": [7, 9]}})
BUSY = (503, {"Retry-After": "0"}, {"reason_code": "not_caught_up", "title": "wait"})
BROKEN = None
"""No answer: the connection ends."""


class Service(ThreadingHTTPServer):
    """A real HTTP server that answers what it was told, in turn, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, *answers) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def header(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, _, headers, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.title(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, json.loads(body) if body else None))
        found = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if found is BROKEN:
            self.close_connection = True
            return
        status, more, document = found
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - as http.server asks

    def log_message(self, *_) -> None:
        """Say nothing."""


@contextmanager
def serving(*answers):
    with Service(*answers) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def issuer():
    return new_issuer_key()


def client_of(service, issuer, **positions):
    return Client({"orders": service.url, "notify": service.url}, issuer, dict(positions))


async def test_a_command_carries_a_token_of_its_actor_a_key_a_role_and_a_channel(issuer):
    actor = Actor(PERSON, ((Role.GRID_WORKER, "grid-01"), (Role.PROXY, None)), on_behalf_of=PARENT)
    with serving(OK) as service:
        async with client_of(service, issuer) as client:
            answer = await client.command("orders", "/v1/x", {"a": 1}, actor=actor, role=Role.PROXY, channel="phone")
            await client.command("orders", "/v1/x", actor=actor, method="PUT")
    (method, path, headers, body), (second, _, later, empty) = service.asked
    assert (method, path, body) == ("POST", "/v1/x", {"a": 1})
    assert (second, empty) == ("PUT", {})
    assert (headers["X-Role"], headers["X-Channel"]) == ("PROXY", "phone")
    assert UUID(headers["Idempotency-Key"]) != UUID(later["Idempotency-Key"])
    assert headers["Authorization"] == later["Authorization"], "a token is used until it is about to expire"
    identity = Verifier(jwks(issuer)).verify(headers["Authorization"].removeprefix("Bearer "))
    assert (identity.actor_id, identity.on_behalf_of) == (PERSON, PARENT)
    assert identity.roles == (Role.GRID_WORKER, Role.PROXY)
    assert identity.scopes(Role.GRID_WORKER) == {"grid-01"}
    assert (answer.status, answer.body["order_id"], answer.positions) == (200, "x", {"orders": 9})


async def test_what_was_answered_is_waited_for_elsewhere_but_never_of_the_service_itself(issuer):
    with serving(OK) as service:
        async with client_of(service, issuer, volunteers=4, ledger=0) as client:
            await client.command("orders", "/v1/x", actor=DISPATCHER)
            await client.query("notify", "/v1/y", actor=DISPATCHER)
            await client.query("notify", "/v1/y", actor=DISPATCHER, after={"ledger": 2})
            await client.query("notify", "/v1/y", actor=DISPATCHER, after={})
            assert client.positions == {"volunteers": 4, "ledger": 0, "orders": 9}
    assert service.header("After") == ["volunteers=4", "orders=9, volunteers=4", "ledger=2", None]


async def test_positions_never_go_back(issuer):
    with serving(OK, (200, {}, {"positions": {"orders": [2, 3]}})) as service:
        async with client_of(service, issuer) as client:
            for _ in range(2):
                await client.command("orders", "/v1/x", actor=DISPATCHER)
            assert client.positions == {"orders": 9}


@pytest.mark.parametrize("hindrance", [BUSY, BROKEN], ids=["busy", "answer lost"])
async def test_a_command_without_an_answer_is_sent_again_with_the_same_key(issuer, hindrance):
    with serving(hindrance, hindrance, OK) as service:
        async with client_of(service, issuer) as client:
            key = str(uuid4())
            answer = await client.command("orders", "/v1/x", {"a": 1}, actor=DISPATCHER, key=key)
    assert answer.body["order_id"] == "x"
    assert service.header("Idempotency-Key") == [key] * 3
    assert [body for *_, body in service.asked] == [{"a": 1}] * 3


async def test_after_a_long_sleep_the_command_is_sent_again_with_a_token_that_lives(issuer):
    with serving((401, {}, {"reason_code": "token_expired"}), OK) as service:
        async with client_of(service, issuer) as client:
            before = client.token(DISPATCHER)
            await client.command("orders", "/v1/x", actor=DISPATCHER, key="the-same-key")
    assert service.header("Authorization")[0] == f"Bearer {before}"
    assert service.header("Authorization")[1] != f"Bearer {before}"
    assert service.header("Idempotency-Key") == ["the-same-key"] * 2


async def test_a_forged_token_is_not_tried_again(issuer):
    with serving((401, {}, {"reason_code": "token_invalid"})) as service:
        async with client_of(service, issuer) as client:
            with pytest.raises(ProblemError, match="token_invalid"):
                await client.command("orders", "/v1/x", actor=DISPATCHER)
    assert len(service.asked) == 1


async def test_a_service_that_stays_busy_is_given_up(issuer):
    with serving(BUSY) as service:
        async with client_of(service, issuer) as client:
            with pytest.raises(ProblemError) as raised:
                await client.query("orders", "/v1/x", actor=DISPATCHER)
    assert (raised.value.status, raised.value.reason_code) == (503, "not_caught_up")
    assert len(service.asked) == TRIES_MAX


async def test_a_refusal_is_told_in_the_services_words_and_not_repeated(issuer):
    document = {"reason_code": "already_taken", "detail": "somebody was first", "detail_zh": "已有人接了"}
    with serving((409, {}, document)) as service:
        async with client_of(service, issuer) as client:
            with pytest.raises(ProblemError, match="POST orders /v1/x: 409 already_taken: 已有人接了") as raised:
                await client.command("orders", "/v1/x", actor=DISPATCHER)
    assert raised.value.document == document
    assert len(service.asked) == 1


@pytest.mark.parametrize("body", [b"<html>bad gateway", b"[1]"], ids=["no JSON", "no object"])
async def test_an_error_that_is_no_problem_document_is_told_as_well(issuer, body):
    with serving((502, {}, body)) as service:
        async with client_of(service, issuer) as client:
            with pytest.raises(ProblemError) as raised:
                await client.command("orders", "/v1/x", actor=DISPATCHER)
    assert raised.value.reason_code == "unknown"
    assert body.decode() in str(raised.value)

"""What bad input gets, at every door of every service: a precise problem document, and nothing recorded."""

import itertools
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import OctKey

from servicekit.tokens import new_issuer_key
from tests.doors.asked import Operation, commands, leaves, operations, pointer, with_other
from tests.doors.doors import NAMES, Doors
from tests.doors.problems import is_invalid, is_problem

pytestmark = pytest.mark.journey

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_is_recorded(doors: Doors) -> Iterator[None]:
    """Whatever a test of this module does, no log grows."""
    before = {name: doors.size(name) for name in NAMES}
    yield
    assert {name: doors.size(name) for name in NAMES} == before


def send(doors: Doors, operation: Operation, content: Any, **headers: str) -> httpx.Response:
    """A command with this body; bytes and text as they are, everything else as JSON."""
    given = content if isinstance(content, bytes | str) else json.dumps(content)
    return doors.ask(
        operation.service,
        operation.method,
        operation.url(),
        content=given,
        headers={**doors.headers(), **JSON, **headers},
    )


def one_a_service(doors: Doors) -> list[Operation]:
    """For what happens before a command is looked at: one way for all, as `test_every_command…` sees to."""
    return list({operation.service: operation for operation in commands(doors)}.values())


def test_an_unknown_field_is_named(doors: Doors) -> None:
    for each in commands(doors):
        is_invalid(send(doors, each, {**each.example, "colour": "red"}), "/colour", "unknown_field")


NO_WHOLE_NUMBERS = (30.0, 30.5, "30", True, 2**63, 10**40)


def test_numbers_are_whole_numbers_and_nothing_else(doors: Doors) -> None:
    tried = 0
    for each in commands(doors):
        for path, value in leaves(each.example):
            if isinstance(value, int) and not isinstance(value, bool):
                for wrong in NO_WHOLE_NUMBERS:
                    code = "too_large" if isinstance(wrong, int) and wrong is not True else "not_a_whole_number"
                    is_invalid(send(doors, each, with_other(each.example, path, wrong)), pointer(path), code)
                tried += 1
    assert tried >= 5


TEXTS = {
    "a\x00b": "text_has_nul",
    "a\x1bb": "text_has_control_character",
    "\ud800": "text_has_lone_surrogate",
    "e\u0301": "text_not_nfc",
}


def test_texts_are_whole_and_normalised(doors: Doors) -> None:
    for each in commands(doors):
        texts = [path for path, value in leaves(each.example) if isinstance(value, str)]
        for path, (text, code) in zip(texts, itertools.cycle(TEXTS.items()), strict=False):
            is_invalid(send(doors, each, with_other(each.example, path, text)), pointer(path), code)
        for path in texts[:1]:
            is_problem(send(doors, each, with_other(each.example, path, "长" * 24_000)), 413, "body_too_large")
            answer = send(doors, each, with_other(each.example, path, "x" * 60_000))
            assert is_problem(answer, 422, "invalid_request")["errors"][0]["pointer"] == pointer(path)


TIMES = {
    "2026-02-30T09:00:00Z": "not_a_time",
    "2026-03-03T25:00:00Z": "not_a_time",
    "2026-03-03T09:00:00": "time_without_zone",
    "0000-01-01T00:00:00Z": "not_a_time",
}
DAYS = {"2026-02-30": "not_a_time", "0000-01-01": "not_a_time"}


def test_an_impossible_time_is_refused(doors: Doors) -> None:
    tried = 0
    for each in commands(doors):
        for path, value in leaves(each.example):
            wrong = TIMES if _is_time(value) else DAYS if _is_day(value) else {}
            for time, code in wrong.items():
                is_invalid(send(doors, each, with_other(each.example, path, time)), pointer(path), code)
                tried += 1
    assert tried > 20


def test_a_year_that_nobody_means_is_refused_before_a_deadline_falls_off_the_calendar(doors: Doors) -> None:
    for each in commands(doors):
        for path, value in leaves(each.example):
            if _is_time(value) or _is_day(value):
                early = str(path[-1]).endswith(("start", "from", "completed_on"))
                day = "0001-01-01" if early else "9999-12-31"
                hours = ("T00:00:00+14:00" if early else "T23:59:59-12:00") if _is_time(value) else ""
                answer = send(doors, each, with_other(each.example, path, day + hours))
                is_invalid(answer, pointer(path), "time_out_of_range")


def test_an_end_before_the_beginning_is_named(doors: Doors) -> None:
    tried = 0
    for each in commands(doors):
        for end in {"window_end", "expires_on"} & set(each.example):
            if {"window_start", "valid_from"} & set(each.example):
                early = with_other(each.example, (end,), str(each.example[end]).replace("2030", "2029"))
                is_invalid(send(doors, each, early), f"/{end}", "end_before_start")
                tried += 1
    assert tried == 5


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("+08:00")


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 10 and value[4:8:3] == "--"


BODIES = {
    "cut off": (b'{"a": ', 422, "invalid_request"),
    "no JSON": (b"hello", 422, "invalid_request"),
    "an array": (b"[]", 422, "invalid_request"),
    "NaN": (b'{"a": NaN}', 422, "invalid_request"),
    "no UTF-8": (b'{"a": "\xff"}', 400, "body_unreadable"),
    "twice the same name": (b'{"a": 1, "a": 1}', 422, "invalid_request"),
    "too deep": (b'{"a":' * 200 + b"1" + b"}" * 200, 422, "invalid_request"),
    "too long": (b" " * 65_537, 413, "body_too_large"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_what_cannot_be_read_is_told(kind: str, doors: Doors) -> None:
    content, status, code = BODIES[kind]
    for each in commands(doors):
        is_problem(send(doors, each, content), status, code)


def test_another_media_type_is_refused(doors: Doors) -> None:
    for each in commands(doors):
        is_problem(send(doors, each, b"a=1", **{"Content-Type": "text/plain"}), 415, "unsupported_media_type")


def test_a_command_needs_a_key(doors: Doors) -> None:
    for each in one_a_service(doors):
        for key in ("", "short", "x" * 129, "blank in the middle"):
            answer = send(doors, each, each.example, **{"Idempotency-Key": key})
            is_problem(answer, 400, "idempotency_key_required")


HEADERS = {"After": "yesterday", "If-Version": "-1", "X-Role": "KING", "X-Channel": "smoke"}


@pytest.mark.parametrize("header", HEADERS)
def test_a_malformed_header_is_named(header: str, doors: Doors) -> None:
    for each in one_a_service(doors):
        document = is_problem(send(doors, each, each.example, **{header: HEADERS[header]}), 400, "header_invalid")
        assert document["facts"]["header"] == header


def test_what_was_never_reached_is_waited_for_and_then_told_with_when_to_try_again(doors: Doors) -> None:
    heard = {"orders": "volunteers", "volunteers": "orders", "ledger": "volunteers", "notify": "ledger"}
    for each in one_a_service(doors):
        answer = send(doors, each, each.example, After=f"{heard[each.service]}=4711")
        is_problem(answer, 503, "not_caught_up")
        assert 0 < int(answer.headers["Retry-After"]) <= 2


def bad_tokens(doors: Doors) -> Iterator[tuple[str, str]]:
    good, other = doors.claims(), new_issuer_key()
    yield "token_expired", doors.signed({**good, "iat": good["iat"] - 600, "exp": good["iat"] - 60})
    yield "token_invalid", doors.signed(good, other)
    yield "token_invalid", doors.signed(good, other, kid=other.kid)
    yield "token_invalid", doors.signed({**good, "aud": "another-community"})
    yield "token_invalid", doors.signed({**good, "iss": "somebody"})
    yield "token_invalid", doors.signed({**good, "exp": good["iat"] + 3_600})
    yield "token_invalid", doors.signed({**good, "iat": good["iat"] + 3_600, "exp": good["iat"] + 3_700})
    yield "token_invalid", doors.signed({**good, "roles": [{"role": "SYSTEM"}]})
    yield "token_invalid", doors.signed({**good, "roles": [{"role": "EMPEROR"}]})
    yield "token_invalid", doors.signed({**good, "sub": "anna"})
    yield "token_invalid", doors.signed(good, typ="JWT")
    head, body, signature = doors.signed(good).split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"
    yield "token_invalid", f"{none}.{body}."
    yield "token_invalid", f"{none}.{body}.{signature}"
    yield "token_invalid", f"{head}.{body}.{signature[:-4]}AAAA"
    yield "token_invalid", _signed_with_the_public_key(doors, body)
    yield "token_invalid", "nonsense"


def _signed_with_the_public_key(doors: Doors, body: str) -> str:
    """HS256 under the public key's bytes: the old confusion of algorithms."""
    import base64
    import hashlib
    import hmac

    key = OctKey.import_key(str(doors.issuer.as_dict(private=False)["x"])).raw_value
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').rstrip(b"=").decode()
    signature = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_token_that_is_not_ours_opens_nothing(doors: Doors) -> None:
    for each in one_a_service(doors):
        for reason_code, token in bad_tokens(doors):
            answer = send(doors, each, each.example, Authorization=f"Bearer {token}")
            is_problem(answer, 401, reason_code)
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
            assert token not in answer.text
        is_problem(send(doors, each, each.example, Authorization="Basic YTpi"), 401, "token_invalid")


def test_without_a_token_nothing_is_shown_or_done(doors: Doors) -> None:
    for service in NAMES:
        for each in operations(doors, service):
            if each.is_command or each.is_query:
                answer = doors.ask(service, each.method, each.url(), headers={"Idempotency-Key": str(uuid4())})
                is_problem(answer, 401, "token_missing")
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chaoyangli"'


def test_a_token_without_a_role_does_nothing(doors: Doors) -> None:
    token = doors.signed(doors.claims(roles=[]))
    for each in commands(doors):
        answer = send(doors, each, each.example, Authorization=f"Bearer {token}")
        assert answer.status_code in {403, 404, 422}, (each.name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_role_that_is_not_held_is_not_acted_in(doors: Doors) -> None:
    token = doors.signed(doors.claims(roles=[{"role": "RESIDENT"}]))
    for each in commands(doors):
        answer = send(doors, each, each.example, Authorization=f"Bearer {token}", **{"X-Role": "ADMIN"})
        assert answer.status_code in {403, 404, 422}, (each.name, answer.text)


def test_another_method_and_another_address_are_problems_too(doors: Doors) -> None:
    for service in NAMES:
        for each in operations(doors, service):
            answer = doors.ask(service, "PATCH", each.url(), headers=doors.headers())
            is_problem(answer, 405, "method_not_allowed")
            assert answer.headers["Allow"]
        for path in ("/v2/orders", "/v1/", "/v1/orders/../../etc/passwd", "/v1/%00", "/docs", "/admin"):
            is_problem(doors.ask(service, "GET", path, headers=doors.headers()), 404, "not_found")


ADDRESSES = ("%00", "e%cc%81", "%ff%fe", "%ed%a0%80", "%f0%9f%91%a9%e2%80%8d%e2%80%ae", "x" * 5_000, "9" * 20)
AGES = ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00", "9999-12-31")


@pytest.mark.timeout(900)  # hundreds of addresses for each of some two hundred routes
def test_no_address_makes_a_service_stumble(doors: Doors) -> None:
    for service in NAMES:
        for each in operations(doors, service):
            names = [parameter["name"] for parameter in each.parameters if parameter["in"] == "path"]
            urls = [each.url(**{name: value}) for name in names for value in ADDRESSES]
            urls += [f"{each.url()}?{name}={value}" for name in each.queried() for value in (*ADDRESSES, *AGES)]
            for url in urls:
                answer = doors.ask(service, each.method, url, json=each.example, headers=doors.headers())
                assert answer.status_code < 500, (each.name, url[:80], answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json"


def test_a_nul_in_an_address_is_named(doors: Doors) -> None:
    is_invalid(
        doors.ask("orders", "GET", "/v1/orders?grid_id=%00", headers=doors.headers()), "query:grid_id", "text_has_nul"
    )

"""What somebody writes into a text field is given back as it was written, or refused by name; no event holds it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID
from zlib import crc32

import httpx
import pytest

from contracts.command import Role
from tests.doors.asked import Operation, pointer
from tests.doors.doors import NAMES, Doors
from tests.doors.hostile import NO_WORDS, TOO_MUCH, WORDS, Field, fields, written
from tests.doors.neighbourhood import Neighbourhood
from tests.doors.problems import is_invalid, is_problem
from tests.support.logs import superuser
from tests.support.spellings import words_in

pytestmark = pytest.mark.journey

Text = TypeVar("Text")


def send(doors: Doors, operation: Operation, body: Any) -> httpx.Response:
    """A command with this body by somebody with every role; a lone surrogate goes as \\ud83d, as JSON can say it."""
    headers = {**doors.headers(), "Content-Type": "application/json"}
    return doors.ask(operation.service, operation.method, operation.url(), content=json.dumps(body), headers=headers)


def said_of(answer: httpx.Response, field: Field) -> list[str]:
    """What a refusal says about this very field; of another one nothing is asked here."""
    assert answer.status_code < 500, (field.name, answer.text)
    document = answer.json()
    if answer.status_code >= 400:
        is_problem(answer, answer.status_code, document["reason_code"])
    return [error["reason_code"] for error in document.get("errors", []) if error["pointer"] == pointer(field.path)]


@pytest.fixture(scope="module")
def of(doors: Doors) -> dict[str, list[Field]]:
    """Service → its fields."""
    every = fields(doors)
    return {service: [field for field in every if field.operation.service == service] for service in NAMES}


def some(texts: Mapping[str, Text], field: Field, number: int) -> Sequence[Text]:
    """All of them where words are asked for; elsewhere one after the other, for all go the same way there."""
    every = list(texts.values())
    return every if field.kind == "free" else [every[number % len(every)]]


def sizes(doors: Doors) -> dict[str, int]:
    return {name: doors.size(name) for name in NAMES}


def test_the_walk_meets_the_fields_that_are_there(doors: Doors) -> None:
    names = {field.name: field.kind for field in fields(doors)}
    assert names["volunteers POST /v1/persons name"] == "free"
    assert names["orders POST /v1/orders details/note"] == "free"
    assert names["orders POST /v1/disputes/{dispute_id}/appeal words"] == "free"
    assert names["volunteers POST /v1/external-records records/0/organiser"] == "free"
    assert names["ledger POST /v1/donations donor/phone"] == "shaped"
    assert names["orders POST /v1/orders window_start"] == "date-time"
    assert names["volunteers POST /v1/blocks person_id"] == "uuid"
    assert len(names) > 250


@pytest.mark.parametrize("service", NAMES)
def test_what_is_no_text_is_refused_in_every_field_by_its_name(
    doors: Doors, of: dict[str, list[Field]], service: str
) -> None:
    before = sizes(doors)
    for number, field in enumerate(of[service]):
        for text, code in some(NO_WORDS, field, number):
            answer = send(doors, field.operation, written(field.operation.example, field.path, text))
            is_invalid(answer, pointer(field.path), code)
    assert sizes(doors) == before


@pytest.mark.parametrize("service", NAMES)
def test_odd_words_are_taken_where_words_are_asked_for_and_nowhere_else(
    doors: Doors, of: dict[str, list[Field]], service: str
) -> None:
    """Taken as a text: a rule may still refuse the command, for hardly anybody is registered here."""
    for number, field in enumerate(of[service]):
        before = doors.size(service)
        for text in some(WORDS, field, number):
            answer = send(doors, field.operation, written(field.operation.example, field.path, text))
            said = said_of(answer, field)
            assert bool(said) == (field.kind != "free"), (field.name, text, answer.text)
            if said:
                assert answer.status_code == 422
        if field.kind != "free":
            assert doors.size(service) == before


@pytest.mark.parametrize("service", NAMES)
def test_every_text_has_a_length_and_up_to_there_it_is_taken(
    doors: Doors, of: dict[str, list[Field]], service: str
) -> None:
    for field in of[service]:
        if field.kind == "free":
            assert field.longest is not None, field.name
            long = "长" * field.longest
            assert not said_of(send(doors, field.operation, written(field.operation.example, field.path, long)), field)
            longer = send(doors, field.operation, written(field.operation.example, field.path, long + "长"))
            assert said_of(longer, field) == ["text_too_long"]
        huge = send(doors, field.operation, written(field.operation.example, field.path, TOO_MUCH))
        is_problem(huge, 413, "body_too_large")


# --- what is read back is what was sent ---


def a_name(town: Neighbourhood, text: str) -> Any:
    return town.read("volunteers", f"/v1/persons/{town.person(text)}?unmasked=true")["name"]


def a_donor(town: Neighbourhood, text: str) -> Any:
    donor = {"name": text, "public_name": text}
    gift = town.done("ledger", "/v1/donations", {"fund": "fund-relief", "amount_fen": 8_800, "donor": donor})
    path = f"/v1/donations/{gift['donation_id']}"
    return town.read("ledger", f"{path}/donor")["name"], town.read("ledger", path)["public_name"]


def a_reason_to_be_kept_apart(town: Neighbourhood, text: str) -> Any:
    wang, li = town.person(), town.person()
    town.done(
        "volunteers", "/v1/blocks", {"person_id": str(wang), "other_id": str(li), "reason": text}, wang, Role.RESIDENT
    )
    return town.read("volunteers", f"/v1/persons/{wang}/blocks", wang, Role.RESIDENT)["blocks"][0]["reason"]


def an_order(town: Neighbourhood, text: str) -> tuple[UUID, str]:
    resident = town.person()
    return resident, town.order(resident, text)


def what_an_order_says(town: Neighbourhood, text: str) -> Any:
    resident, path = an_order(town, text)
    details = town.read("orders", path, resident, Role.RESIDENT)["details"]
    return details["address"], details["note"]


def a_question_and_its_answer(town: Neighbourhood, text: str) -> Any:
    resident, path = an_order(town, "示例路1号")
    town.done("orders", f"{path}/request-info", {"asked_for": ["other"], "words": text})
    asked = town.read("orders", path)["question"]
    town.done("orders", f"{path}/provide-info", {"details": {"note": text}}, resident, Role.RESIDENT)
    return asked, town.read("orders", path)["details"]["note"]


def why_an_order_is_refused(town: Neighbourhood, text: str) -> Any:
    _, path = an_order(town, "示例路1号")
    town.done("orders", f"{path}/refuse", {"reason_code": "emergency", "referral": "120", "words": text})
    return town.read("orders", path)["refusal_words"]


def a_dispute(town: Neighbourhood, text: str) -> Any:
    resident, path = an_order(town, "示例路1号")
    dispute = {"about": "conduct", "reason_code": "other", "order_id": path.rpartition("/")[2], "words": text}
    path = "/v1/disputes/" + town.done("orders", "/v1/disputes", dispute, resident, Role.RESIDENT)["dispute_id"]
    return town.read("orders", path)["words"]


def a_case_of_need(town: Neighbourhood, text: str) -> Any:
    resident = town.person()
    case = {
        "fund": "fund-relief",
        "purpose": "illness",
        "amount_fen": 50_000,
        "payee": {"name": text, "account": text},
        "need": text,
        "standard": "aid-standard-1",
    }
    case_id = town.done("ledger", "/v1/aid-cases", case, resident, Role.RESIDENT)["case_id"]
    told = town.read("ledger", f"/v1/aid-cases/{case_id}/people")
    return told["need"], told["payee"]["name"], told["payee"]["account"]


def a_history_from_elsewhere(town: Neighbourhood, text: str) -> Any:
    phone = f"139{crc32(text.encode()) % 10**8:08d}"  # nobody else's: it would be the same volunteer
    told = {"title": text, "place": text, "content": text, "recipient": text}
    taken = town.done(
        "volunteers",
        "/v1/external-records",
        {
            "source_code": "old-app",
            "file_sha256": "ab" * 32,
            "original_no": text,
            "name": text,
            "birth_date": "1960-02-03",
            "phone": phone,
            "grid_id": "grid-01",
            "consent_form": "written",
            "records": [{"kind": "service", "date": "2024-03-05", "minutes_ungraded": 60, **told}],
        },
    )
    path = f"/v1/volunteers/{taken['volunteer_id']}/external-records"
    record = town.read("volunteers", path)["external"]["records"][0]
    return tuple(record[name] for name in told)


WRITTEN: tuple[Callable[[Neighbourhood, str], Any], ...] = (
    a_name,
    a_donor,
    a_reason_to_be_kept_apart,
    what_an_order_says,
    a_question_and_its_answer,
    why_an_order_is_refused,
    a_dispute,
    a_case_of_need,
    a_history_from_elsewhere,
)


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("write_and_read", WRITTEN, ids=lambda each: each.__name__)
def test_what_is_read_back_is_what_was_sent(
    town: Neighbourhood, write_and_read: Callable[[Neighbourhood, str], Any], kind: str
) -> None:
    read = write_and_read(town, WORDS[kind])
    assert set(read if isinstance(read, tuple) else (read,)) == {WORDS[kind]}


async def test_no_event_holds_a_word_of_what_was_written(town: Neighbourhood) -> None:
    """Looked for in every log as it is, escaped, in hex and in base64: what is written here, and by the tests above."""
    text = "虚构的一句话，哪一本账里也不该有"
    for write_and_read in WRITTEN:
        write_and_read(town, text)
    async with superuser(town.doors.database) as connection:
        for service in NAMES:
            bodies = [row["body"] for row in await connection.fetch(f"SELECT body FROM {service}.events")]
            assert bodies or service == "notify"
            assert not words_in(b"\n".join(bodies), [text, *WORDS.values()])

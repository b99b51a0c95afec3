"""The API documents say what is true: every command's key and answer, every refusal, an example that can be sent."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import openapi
from schemathesis.core.result import Ok

from tests.doors.asked import commands, operations
from tests.doors.doors import NAMES, Doors

pytestmark = pytest.mark.journey

COMMANDED = {"400", "401", "403", "404", "409", "413", "415", "422", "503"}


def references(document: Any) -> Iterator[str]:
    match document:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for inner in document.values():
                yield from references(inner)
        case list():
            for inner in document:
                yield from references(inner)
        case _:
            return


@pytest.mark.parametrize("service", NAMES)
def test_every_reference_leads_somewhere_and_every_name_is_used_once(service: str, doors: Doors) -> None:
    document = doors.openapi(service)
    for target in references(document):
        place = document
        for step in target.removeprefix("#/").split("/"):
            place = place[step]
    names = [each.document["operationId"] for each in operations(doors, service)]
    assert len(names) == len(set(names))


def test_every_command_takes_a_key_and_after_and_names_its_refusals(doors: Doors) -> None:
    for each in commands(doors):
        headers = {parameter["name"]: parameter for parameter in each.parameters if parameter["in"] == "header"}
        assert headers.keys() == {"Idempotency-Key", "If-Version", "After", "X-Role", "X-Channel"}, each.name
        assert headers["Idempotency-Key"]["required"]
        assert each.document["responses"].keys() >= COMMANDED, each.name
        (good,) = each.document["responses"].keys() & {"200", "201"}
        answer = each.document["responses"][good]
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Recorded"}
        assert "Position" in answer["headers"]


OPEN_TO_ALL = {
    "/livez",
    "/readyz",
    "/metrics",
    "/checkpoint",
    "/tile/{path}",
    "/{origin}/checkpoint",
    "/{origin}/tile/{path}",
    "/fund/bank.json",
    "/fund/due.json",
    "/fund/entries.json",
    "/fund/entries/pages/{page_no}.json",
    "/fund/entries/{entry_no}.json",
    "/fund/entries/{entry_no}.explanation.json",
    "/fund/entries/{entry_no}.tlog-proof",
    "/fund/statements.json",
    "/fund/statements/{name}.event.json",
    "/fund/statements/{name}.json",
    "/fund/statements/{name}.tlog-proof",
    "/fund/statements/{name}.csv",
    "/v1/checkpoint",
    "/v1/service-records/by-code/{verify_code}",
}
"""What tells of no person."""
OF_SUBSCRIBERS = {"/events"}
"""What takes a feed key instead of a token."""


@pytest.mark.parametrize("service", NAMES)
def test_what_changes_something_is_a_command_and_what_shows_people_is_asked_with_a_token(
    service: str, doors: Doors
) -> None:
    for each in operations(doors, service):
        assert each.is_command or each.is_query or each.path in OPEN_TO_ALL | OF_SUBSCRIBERS, each.name
        assert each.is_command == (each.method != "GET")


def test_every_example_can_be_sent(doors: Doors) -> None:
    """It may be refused by a rule, for nobody is registered here; never for how it is written."""
    for each in commands(doors):
        schemas = doors.openapi(each.service)["components"]
        body = each.document.get("requestBody")
        if body is not None:
            schema = {**body["content"]["application/json"]["schema"], "components": schemas}
            jsonschema.validate(each.example, schema)
        answer = doors.ask(each.service, each.method, each.url(), json=each.example, headers=doors.headers())
        assert answer.status_code < 500, (each.name, answer.text)
        assert answer.json().get("reason_code") != "invalid_request", (each.name, each.example, answer.text)


def test_a_refusal_is_as_documented(doors: Doors) -> None:
    for service in NAMES:
        document = doors.openapi(service)
        schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
        answer = doors.ask(service, "GET", "/nowhere")
        jsonschema.validate(answer.json(), schema)
        listed = document["components"]["responses"]["Conflict"]["description"]
        assert "`stale_version`" in listed
        assert "`key_reused`" in listed


def _without_headers(document: dict[str, Any]) -> dict[str, Any]:
    """What is fuzzed are addresses and bodies; headers have their own tests, and a random After waits two seconds."""
    document = json.loads(json.dumps(document))
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [each for each in operation.get("parameters", []) if each["in"] != "header"]
    return document


def _fuzz(doors: Doors, service: str, times: int) -> int:
    document = doors.openapi(service)
    schema = openapi.from_dict(_without_headers(document))
    schema.config.update(base_url=doors.urls[service])
    asked = 0
    settle = settings(
        max_examples=times,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(headers=doors.headers(), timeout=120)
        known = document["paths"][case.operation.path][case.method.lower()]["responses"]
        assert answer.status_code < 500, (case.method, case.formatted_path, case.query, case.body, answer.text)
        assert str(answer.status_code) in known, (case.method, case.formatted_path, answer.status_code)

    for operation in schema.get_all_operations():
        assert isinstance(operation, Ok)
        settle(given(case=operation.ok().as_strategy())(ask))()
    return asked


@pytest.mark.parametrize("service", NAMES)
def test_no_input_that_the_document_allows_makes_a_service_stumble(service: str, doors: Doors) -> None:
    assert _fuzz(doors, service, 2) > 10


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", NAMES)
def test_no_input_makes_a_service_stumble_for_a_long_time(service: str, doors: Doors) -> None:
    assert _fuzz(doors, service, 40) > 200

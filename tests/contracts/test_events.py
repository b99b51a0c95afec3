"""The registry: every event is there under one spelling, and none can hold a person's data."""

import re
import types
from typing import Annotated, Any, get_args

import pytest
from pydantic import Field
from pydantic_core import to_json

from contracts import ledger, notify, orders, volunteers
from contracts.event import EVENTS, SERVICES, Code, Event
from contracts.generator.schemas import _plain, event_schema
from contracts.generator.source import events_of

NAMES = {  # domain.md §4.8, as far as built
    "orders": """OrderPlaced OrderVerified OrderRefused OrderDispatched OfferDeclined OfferExpired OrderOpened
        OrderAccepted OrderStaffed AcceptanceWithdrawn AssignmentLapsed OrderEscalated ServiceStarted ServiceFinished
        ServiceAutoClosed CompletionConfirmed CompletionPresumed OrderRated OrderClosed OrderCancelled OrderUnfulfilled
        InquiryRecorded ServiceItemPublished ServiceItemRetired PersonDataErased PolicyAdopted""",
    "volunteers": """PersonRegistered PersonMoved PersonBlocked PersonUnblocked PersonErased ConsentGiven
        ConsentWithdrawn ProxyAuthorised ProxyEnded
        RelationDeclared RelationEnded RoleGranted RoleRevoked VolunteerRegistered IdentityVerified VolunteerActivated
        VolunteerPaused VolunteerResumed VolunteerSuspended VolunteerReinstated VolunteerWithdrawn SkillDeclared
        SkillVerified VolunteerRejected GuardianConsentRecorded LicenceExpired TrainingCompleted
        TeamFounded TeamRegistered TeamDormant TeamDissolved MemberJoined MemberLeft LeaderAppointed
        LicenceRecorded InsuranceRecorded AvailabilitySet HoursClaimed HoursConfirmed HoursApproved
        HoursRejected HoursHeld HoursLogged CorrectionRequested PersonDataErased PolicyAdopted""",
    "ledger": """EntryPosted EntryReversed EntryRefused DonationPledged DonationReceived DonationReceipted ReceiptWaived
        PersonDataErased PolicyAdopted""",
    "notify": """ContactSet ContactRemoved NotificationQueued NotificationCancelled NotificationHandedOver
        NotificationFailed NotificationUnknown PersonDataErased PolicyAdopted""",
}
INTERNAL = ("Aid", "WelfareCheck", "Dispute", "Person", "Consent", "Proxy", "Relation")  # architecture.md §4
ALLOWED_PATTERNS = {
    r"^[a-z0-9_:.\-]{1,64}$",
    r"^[0-9a-f]{64}$",
    r"^[0-9]{8}$",
    r"^[0-9]{16}$",
    r"^[0-9]{6,10}$",
    r"^[A-Z0-9][A-Z0-9\-]{0,31}$",
    r"^[A-Za-z0-9+/_\-]{16,256}={0,2}$",
    r"^[0-9a-f]{16}$",
    r"^[0-9]{4}-(0[1-9]|1[0-2])$",
    r"^[A-Za-z0-9+/]{43}=$",
    r"^[A-Za-z0-9+/]{86}==$",
    r"^[a-z][a-z0-9_]{0,31}\.[A-Z][A-Za-z]{1,63}$",
    r"^[a-z][a-z0-9_]{0,31}/[a-z][a-z0-9_]{0,31}(/[1-9][0-9]{0,3})?$",
}
PERSONAL = re.compile(
    r"(^|_)(name|phone|mobile|address|email|birthday|birth|note|text|title|comment|description|words)$"
)
ALL = [pytest.param(cls, id=f"{service}.{name}") for (service, name), cls in sorted(EVENTS.items())]


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_that_the_domain_names_exists(service: str) -> None:
    known = {name for owner, name in EVENTS if owner == service}
    assert set(NAMES[service].split()) <= known


@pytest.mark.parametrize("cls", ALL)
def test_an_event_has_one_spelling(cls: type[Event]) -> None:
    assert cls.__module__.split(".")[1] == cls.service
    assert EVENTS[cls.service, cls.__name__] is cls
    module = {"orders": orders, "volunteers": volunteers, "ledger": ledger, "notify": notify}[cls.service]
    assert getattr(module, cls.__name__) is cls
    assert not cls.__name__.endswith(("Event", "Updated"))
    assert event_schema(cls)["title"] == cls.__name__


@pytest.mark.parametrize("cls", ALL)
def test_an_event_says_its_meaning_in_both_tongues(cls: type[Event]) -> None:
    assert re.fullmatch(r"[^\n]*[\u3400-\u9fff][^\n]* — [a-z][^\n]*\.", (cls.__doc__ or "").strip())


@pytest.mark.parametrize("cls", ALL)
def test_what_is_about_people_is_internal(cls: type[Event]) -> None:
    if cls.__name__.startswith(INTERNAL) or (
        cls.service == "notify" and cls.__name__ not in ("PolicyAdopted", "LossAccepted")
    ):
        assert cls.audience == "internal"


NOBODY = {
    "order_id", "item_id", "offer_ids[]", "donation_id", "donor_ref", "policy_id", "words_ref", "lot_id", "market_id",
    "entry_id", "statement_id", "oldest_lines[].statement_id",
}  # fmt: skip
"""Ids that stand for a thing, or for one gift alone: who knows them knows no person and cannot follow one."""
IN_OFFICE = {"counted_by[]"}
"""Who counts the fund's cash answers for it in public, by an opaque id."""
DOORS = {"household_id", "entrance_id"}


@pytest.mark.parametrize("cls", ALL)
def test_a_public_event_names_nobody(cls: type[Event]) -> None:
    if cls.audience == "public":
        ids = {path for path, each in _fields(event_schema(cls)) if each.get("format") == "uuid"}
        assert ids <= NOBODY | IN_OFFICE


@pytest.mark.parametrize("cls", ALL)
def test_an_event_that_points_at_a_door_stays_inside(cls: type[Event]) -> None:
    names = {path.rsplit(".", 1)[-1].removesuffix("[]") for path, _ in _fields(event_schema(cls))}
    assert not names & DOORS or cls.audience == "internal"


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_stands_in_the_union_of_its_aggregate(service: str) -> None:
    placed = [cls for members in events_of(service).values() for cls in members]
    assert sorted(cls.__name__ for cls in placed) == sorted(name for owner, name in EVENTS if owner == service)


def test_the_unions_are_what_a_decider_matches() -> None:
    assert orders.OrderPlaced in get_args(orders.OrderEvent)
    assert volunteers.HoursLogged in get_args(volunteers.HoursClaimEvent)


@pytest.mark.parametrize("cls", ALL)
def test_an_event_can_hold_no_name_and_no_sentence(cls: type[Event]) -> None:
    assert complaints(event_schema(cls)) == []


class Loose(Event):
    """Not an event: what the check above must find."""

    remark: str
    weight_kg: float
    anything: dict[str, int]
    count: int
    phone: Code
    parts: tuple[Annotated[str, Field(max_length=5)], ...]


def test_the_check_finds_words_floats_and_names() -> None:
    schema = _plain(Loose.model_json_schema(), {})
    assert complaints(schema) == [
        "remark could hold words",
        "weight_kg: number has no place in an event",
        "anything could hold anything",
        "count has no bounds",
        "phone sounds like a person's data",
        "parts[] could hold words",
    ]


def complaints(schema: dict[str, Any]) -> list[str]:
    """What in a schema could hold more than ids, codes, times, whole numbers and commitments."""
    found = []
    for path, each in _fields(schema):
        if PERSONAL.search(path.rsplit(".", 1)[-1].removesuffix("[]")):
            found.append(f"{path} sounds like a person's data")
        if {"const", "enum", "x-extensible-enum"} & each.keys():
            continue
        kind, form = each.get("type"), each.get("format")
        if (
            kind == "string"
            and form not in ("uuid", "date", "date-time")
            and each.get("pattern") not in ALLOWED_PATTERNS
        ):
            found.append(f"{path} could hold words")
        elif kind == "integer" and not {"minimum", "maximum"} <= each.keys():
            found.append(f"{path} has no bounds")
        elif (kind == "object" and "properties" not in each) or (kind == "array" and "items" not in each):
            found.append(f"{path} could hold anything")
        elif kind not in ("string", "integer", "boolean", "array", "object"):
            found.append(f"{path}: {kind} has no place in an event")
    return found


@pytest.mark.parametrize("cls", ALL)
def test_what_a_vault_holds_is_pointed_at_with_a_commitment(cls: type[Event]) -> None:
    refs = [name.removesuffix("_ref") for name in cls.model_fields if name.endswith("_ref") and name != "donor_ref"]
    assert [name for name in refs if f"{name}_commitment" not in cls.model_fields] == []


def _fields(schema: dict[str, Any], at: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, each in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        found += [(path, each), *_fields(each, path)]
    if "items" in schema:
        found += [(f"{at}[]", schema["items"]), *_fields(schema["items"], f"{at}[]")]
    return found


class TestDeclaring:
    """What a class must say to become an event."""

    @pytest.mark.usefixtures("registry")
    @pytest.mark.parametrize(
        ("name", "words", "keywords", "complaint"),
        [
            ("ThingDone", "事 — a thing was done.", {"service": "bakery", "audience": "public"}, "unknown service"),
            ("ThingDone", "事 — a thing was done.", {"service": "orders"}, "audience"),
            ("ThingDone", "a thing was done.", {"service": "orders", "audience": "public"}, "docstring"),
            ("ThingDone", None, {"service": "orders", "audience": "public"}, "docstring"),
            ("ThingDoneEvent", "事 — a thing was done.", {"service": "orders", "audience": "public"}, "named"),
            ("thing_done", "事 — a thing was done.", {"service": "orders", "audience": "public"}, "named"),
            ("ThingDone", "事 — a thing was done.", {"service": "orders", "audience": "public", "version": 0}, "begin"),
            ("OrderPlaced", "事 — a thing was done.", {"service": "orders", "audience": "public"}, "twice"),
        ],
    )
    def test_a_bad_declaration_is_refused(self, name: str, words: str | None, keywords: Any, complaint: str) -> None:
        said: dict[str, Any] = {"__doc__": words, "__module__": "contracts.thing", "__annotations__": {}}
        with pytest.raises(TypeError, match=complaint):
            types.new_class(name, (Event,), keywords, lambda body: body.update(said))

    @pytest.mark.usefixtures("registry")
    def test_two_services_may_say_events_of_one_name(self) -> None:
        assert EVENTS["orders", "PersonDataErased"] is orders.PersonDataErased
        assert EVENTS["ledger", "PersonDataErased"] is ledger.PersonDataErased

    def test_nothing_is_converted(self) -> None:
        right = {"item_id": "01900000-0000-7000-8000-000000000001", "retired_at": "2026-03-05T01:00:00Z"}
        fields = {"item_code": "haircut", "item_version": 1, **right}
        assert orders.ServiceItemRetired.model_validate_json(to_json(fields)).item_version == 1
        for wrong in (1.0, "1", True, None, -1):
            with pytest.raises(ValueError, match="item_version"):
                orders.ServiceItemRetired.model_validate_json(to_json({**fields, "item_version": wrong}))

    def test_an_event_is_frozen_and_ignores_fields_it_does_not_know(self) -> None:
        fields = {
            "item_id": "01900000-0000-7000-8000-000000000001",
            "item_code": "haircut",
            "item_version": 1,
            "retired_at": "2026-03-05T01:00:00Z",
            "later": {"unknown": 1},
        }
        event = orders.ServiceItemRetired.model_validate_json(to_json(fields))
        with pytest.raises(ValueError, match="frozen"):
            event.item_code = "other"  # type: ignore[misc]
        assert not hasattr(event, "later")

"""What may be asked about records from elsewhere: take a volunteer in with what another app has of them (0008).

The groups are those of 民政部令第67号 §4: basic data, services, trainings, awards, evaluations. Everything here is
words about a person, and goes to the vault; none of it is credited.
"""

import json
import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from contracts.command import Ask, mistake
from contracts.event import Code, Digest, UnitCode
from contracts.volunteers import VolunteerNo
from services.volunteers.commands.people import PersonName, Phone
from services.volunteers.commands.words import ConsentForm

_IMPORTED = UUID("018f6a3e-7c00-7000-8000-e87e20a10001")

RecordKind = Literal["service", "training", "award", "evaluation"]
Short = Annotated[str, Field(min_length=1, max_length=100)]
Long = Annotated[str, Field(min_length=1, max_length=500)]
OriginalNo = Annotated[str, Field(min_length=1, max_length=64)]
"""The number that the other app gave the volunteer; never that of an identity card."""
ServiceMinutes = Annotated[int, Field(ge=1, le=1440)]

GRADED = ("minutes_a", "minutes_b", "minutes_c", "minutes_ungraded")
RECORDS_MAX = 1_000
"""In one request, which holds 64 KiB."""
PARTS_MAX = 64


_IDENTITY = re.compile(r"(?<![0-9A-Za-z])([1-9]\d{5})((?:18|19|20)\d{6})(\d{3})([0-9Xx])(?![0-9A-Za-z])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def has_identity_number(text: str) -> bool:
    """Whether the number of an identity card (GB 11643) stands in it, by its birth date and its check digit."""
    for found in _IDENTITY.finditer(text):
        digits = found[0]
        total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=False))
        if _CHECKS[total % 11] == found[4].upper():
            return True
    return False


def _without_identity_numbers(ask: Ask) -> None:
    """No text holds the number of an identity card (domain.md §4.3). Raises PydanticCustomError."""
    for name, value in ask:
        if isinstance(value, str) and has_identity_number(value):
            raise mistake(
                "identity_number",
                "身份证号不导入，也不保存",
                "an identity card's number is not kept here",
                field=name,
            )


class ExternalRecord(Ask):
    """One line of a history: a service, a training, an award or an evaluation, as the other app has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "service", "title": "义务理发", "date": "2024-03-05", "minutes_ungraded": 60}]
        }
    )

    kind: RecordKind
    record_no: OriginalNo | None = None
    title: Short | None = None
    date: date
    place: Short | None = None
    recipient: Short | None = None
    content: Long | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    minutes_a: ServiceMinutes | None = None
    minutes_b: ServiceMinutes | None = None
    minutes_c: ServiceMinutes | None = None
    minutes_ungraded: ServiceMinutes | None = None
    """Of an app that knows no grades of evidence."""
    quality: Short | None = None
    in_charge: Short | None = None
    recorder: Short | None = None
    organiser: Short | None = None
    """Who held the training, or granted the award."""
    level: Short | None = None
    study_hours: Annotated[int, Field(ge=0, le=10_000)] | None = None
    score: Annotated[int, Field(ge=1, le=5)] | None = None
    evaluator: Short | None = None
    organisation: Short | None = None
    """Who recorded it; absent: the source of the whole file."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        _without_identity_numbers(self)
        stated = [name for name in GRADED if getattr(self, name) is not None]
        if self.kind == "service" and len(stated) != 1:
            raise mistake(
                "minutes_in_one_grade",
                "一次服务的分钟数写在一类里，不多不少",
                "a service has its minutes in exactly one grade",
                field=stated[1] if stated else GRADED[-1],
            )
        if self.kind != "service" and stated:
            raise mistake(
                "minutes_of_no_service", "只有志愿服务才写分钟数", "only a service has minutes", field=stated[0]
            )
        if self.kind == "evaluation":
            if self.score is None and self.content is None:
                raise mistake(
                    "evaluation_empty", "评价要有评分或内容", "an evaluation has a score or words", field="content"
                )
        elif self.title is None:
            raise mistake("title_missing", "缺少名称", "this kind of record has a title", field="title")
        if self.started_at is not None and self.finished_at is not None and self.finished_at <= self.started_at:
            raise mistake(
                "end_before_start", "结束不能早于开始", "finished_at is before started_at", field="finished_at"
            )
        return self


class ImportVolunteerAsk(Ask):
    """A volunteer of another app: who they are, and what was recorded of them there. They agreed to come along."""

    source_code: Code
    file_sha256: Digest
    original_no: OriginalNo
    volunteer_no: VolunteerNo | None = None
    """The number to keep; absent: a new one."""
    name: PersonName
    birth_date: date
    phone: Phone | None = None
    grid_id: UnitCode | None = None
    registered_on: date | None = None
    skills: Annotated[tuple[Code, ...], Field(max_length=30)] = ()
    consent_form: ConsentForm
    """How they agreed that their data come here (个人信息保护法 §13, §23)."""
    records: Annotated[tuple[ExternalRecord, ...], Field(max_length=RECORDS_MAX)] = ()
    later_sha256: Annotated[tuple[Digest, ...], Field(max_length=PARTS_MAX)] = ()
    """Of each further part of a history that one request does not hold (`document_of` says of which bytes)."""

    @model_validator(mode="after")
    def _has_no_identity_number(self) -> Self:
        _without_identity_numbers(self)
        return self


class AddExternalRecordsAsk(Ask):
    """A further part of a history, as it was announced with the first."""

    part: Annotated[int, Field(ge=1, le=PARTS_MAX)]
    records: Annotated[tuple[ExternalRecord, ...], Field(min_length=1, max_length=RECORDS_MAX)]


def document_of(records: Iterable[ExternalRecord]) -> str:
    """Records as they are sealed and hashed: JSON, names sorted, nothing absent."""
    said = [record.model_dump(mode="json", exclude_none=True) for record in records]
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def imported_person_id(pseudonym: str) -> UUID:
    """The one person that a volunteer of another app can become here: derived, so that no second run makes a second."""
    return uuid5(_IMPORTED, pseudonym)

"""A star: REACHED → NOMINATED → PUBLICIZED → AWARDED, by three persons; OBJECTED, REVIEW (domain.md §4.3, §4.7).

Nothing is awarded by minutes alone (民政部 2012, Guangdong): a leader nominates, the station shows it for five working
days and awards. Corrections that bring the minutes below the level let the star rest, whatever its state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.volunteers import (
    StarAwarded,
    StarEvent,
    StarNominated,
    StarObjected,
    StarPublicized,
    StarReviewOpened,
    StarThresholdReached,
)
from services.volunteers.commands.stars import (
    AnyStarCommand,
    AwardStar,
    NominateStar,
    ObjectToStar,
    PublicizeStar,
    ReachStar,
    ReviewStar,
    StarCommand,
    StarMinutes,
)
from services.volunteers.decider.transitions import Lifecycle, Row


class StarState(StrEnum):
    """Where a star stands."""

    NONE = "NONE"
    REACHED = "REACHED"
    NOMINATED = "NOMINATED"
    PUBLICIZED = "PUBLICIZED"
    OBJECTED = "OBJECTED"
    AWARDED = "AWARDED"
    REVIEW = "REVIEW"


S = StarState
_BEFORE = dict.fromkeys((S.REACHED, S.REVIEW), "star_not_nominated")
_REACHED = dict.fromkeys((S.REACHED, S.NOMINATED, S.PUBLICIZED, S.OBJECTED, S.AWARDED), "star_reached_already")

STAR_LIFECYCLE = Lifecycle(
    states=StarState,
    nothing=S.NONE,
    missing="star_not_reached",
    ends=frozenset(),
    ended="star_awarded_already",
    elsewhere="star_awarded_already",
    rows=(
        Row(ReachStar, "达到", frozenset({S.NONE, S.REVIEW}), "REACHED", ("StarThresholdReached",), _REACHED),
        Row(
            NominateStar,
            "申报",
            frozenset({S.REACHED}),
            "NOMINATED",
            ("StarNominated",),
            {S.REVIEW: "star_in_review"}
            | dict.fromkeys((S.NOMINATED, S.PUBLICIZED, S.OBJECTED), "star_nominated_already"),
        ),
        Row(
            PublicizeStar,
            "公示",
            frozenset({S.NOMINATED, S.OBJECTED}),
            "PUBLICIZED",
            ("StarPublicized",),
            _BEFORE | {S.PUBLICIZED: "star_publicized_already"},
        ),
        Row(
            ObjectToStar,
            "异议",
            frozenset({S.PUBLICIZED, S.OBJECTED}),
            "OBJECTED",
            ("StarObjected",),
            _BEFORE | {S.NOMINATED: "star_not_publicized"},
        ),
        Row(
            AwardStar,
            "认定",
            frozenset({S.PUBLICIZED}),
            "AWARDED",
            ("StarAwarded",),
            _BEFORE | {S.NOMINATED: "star_not_publicized", S.OBJECTED: "objection_open"},
        ),
        Row(
            ReviewStar,
            "复查",
            frozenset(S) - {S.NONE, S.REVIEW},
            "REVIEW",
            ("StarReviewOpened",),
            {S.REVIEW: "star_in_review"},
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Star:
    """What the rules need to know of a star."""

    state: StarState = StarState.NONE
    nominated_by: UUID | None = None
    rounds: int = 0
    due_at: datetime | None = None
    objectors: frozenset[UUID] = frozenset()


Events = Sequence[StarEvent]


def initial() -> Star:
    """A star that nobody reached."""
    return Star()


def decide(command: AnyStarCommand, star: Star) -> Events:
    """The events that a command comes to. Raises Refused."""
    STAR_LIFECYCLE.require(command, star.state)
    match command:
        case ReachStar():
            _require_minutes(command, command.minutes)
            return [StarThresholdReached(**_counted(command, command.minutes), reached_at=command.at)]
        case NominateStar():
            return _nominate(command)
        case PublicizeStar():
            return _publicize(command, star)
        case ObjectToStar():
            return _object(command, star)
        case AwardStar():
            return _award(command, star)
        case ReviewStar():
            counted = _counted(command, command.minutes)
            if counted["counted_minutes"] >= counted["threshold_minutes"]:
                raise Refused("star_still_reached")
            return [StarReviewOpened(**counted, opened_at=command.at)]
        case _:
            assert_never(command)


def _about(command: StarCommand) -> dict[str, Any]:
    return {"star_id": command.star_id, "volunteer_id": command.volunteer_id, "level": command.level}


def _counted(command: StarCommand, minutes: StarMinutes) -> dict[str, Any]:
    counted = command.policy.counted(minutes.minutes_a, minutes.minutes_b, minutes.minutes_c)
    threshold = command.policy.threshold(command.level)
    return {
        **_about(command),
        **minutes.model_dump(),
        "counted_minutes": counted,
        "threshold_minutes": threshold,
    }


def _require_minutes(command: StarCommand, minutes: StarMinutes) -> None:
    counted = _counted(command, minutes)
    if counted["counted_minutes"] < counted["threshold_minutes"]:
        raise Refused(
            "star_not_reached",
            counted_minutes=counted["counted_minutes"],
            threshold_minutes=counted["threshold_minutes"],
        )


def _person(command: StarCommand) -> UUID:
    """Who asks. Nobody speaks or decides about a star of their own."""
    if command.by.actor_id is None or command.by.actor_id == command.volunteer_id:
        raise Refused("own_star")
    return command.by.actor_id


def _require_standing(in_good_standing: bool) -> None:
    if not in_good_standing:
        raise Refused("not_in_good_standing")


def _nominate(command: NominateStar) -> Events:
    nominator = _person(command)
    _require_standing(command.in_good_standing)
    _require_minutes(command, command.minutes)
    return [StarNominated(**_about(command), nominated_by=nominator, nominated_at=command.at)]


def _publicize(command: PublicizeStar, star: Star) -> Events:
    publisher = _person(command)
    if publisher == star.nominated_by or publisher in star.objectors:
        raise Refused("second_person_required")
    _require_minutes(command, command.minutes)
    publicized = StarPublicized(
        **_about(command),
        round=star.rounds + 1,
        publicized_by=publisher,
        due_at=command.due_at,
        publicized_at=command.at,
    )
    return [publicized]


def _object(command: ObjectToStar, star: Star) -> Events:
    objector = _person(command)
    if star.due_at is not None and command.at >= star.due_at and star.state is StarState.PUBLICIZED:
        raise Refused("publicity_over", due_at=star.due_at)
    objected = StarObjected(
        **_about(command),
        objection_id=command.objection_id,
        objected_by=objector,
        reason_code=command.reason_code,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        objected_at=command.at,
    )
    return [objected]


def _award(command: AwardStar, star: Star) -> Events:
    awarder = _person(command)
    if awarder == star.nominated_by:
        raise Refused("second_person_required")
    if star.due_at is None or command.at < star.due_at:
        raise Refused("publicity_running", due_at=star.due_at)
    _require_standing(command.in_good_standing)
    _require_minutes(command, command.minutes)
    return [StarAwarded(**_counted(command, command.minutes), awarded_by=awarder, awarded_at=command.at)]


def evolve(star: Star, event: StarEvent) -> Star:
    """The star after an event."""
    match event:
        case StarThresholdReached():
            return Star(StarState.REACHED)
        case StarNominated():
            return replace(star, state=StarState.NOMINATED, nominated_by=event.nominated_by)
        case StarPublicized():
            return replace(star, state=StarState.PUBLICIZED, rounds=event.round, due_at=event.due_at)
        case StarObjected():
            return replace(star, state=StarState.OBJECTED, objectors=star.objectors | {event.objected_by})
        case StarAwarded():
            return replace(star, state=StarState.AWARDED)
        case StarReviewOpened():
            return replace(star, state=StarState.REVIEW)
        case _:
            assert_never(event)

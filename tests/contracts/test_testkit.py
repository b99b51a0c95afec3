"""The test kit accepts a subscriber that keeps to the rules of the catalogue, and notices each rule that one breaks."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.envelope import UnknownEvent, UnknownVersion, decode
from contracts.event import EVENTS
from contracts.testkit import CASES, Delivery, deliveries

GIVEN_OUT = [f"{service}.{name}" for (service, name), event in EVENTS.items() if event.audience != "internal"]
KNOWN = {(service, name, event.version) for (service, name), event in EVENTS.items()}


def version(event: dict[str, Any]) -> tuple[str, str, int]:
    _, _, _, service, name, number = event["dataschema"].replace("/", ":").split(":")
    return service, name, int(number)


class Subscriber:
    """Keeps to the rules: by id, whatever fields there are, and what it does not know is parked."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.parked: list[str] = []

    def is_new(self, event: dict[str, Any]) -> bool:
        return event["id"] not in self.handled

    def is_known(self, event: dict[str, Any]) -> bool:
        return version(event) in KNOWN

    def check(self, event: dict[str, Any]) -> None:
        """What a subscriber insists on: here, nothing."""

    def receive(self, body: bytes) -> None:
        event = json.loads(body)
        if not self.is_new(event):
            return
        if not self.is_known(event):
            self.parked.append(event["id"])
            return
        self.check(event)
        self.handled.append(event["id"])


class CountsTwice(Subscriber):
    def is_new(self, event: dict[str, Any]) -> bool:
        return True


class GoesByPosition(Subscriber):
    """Forgets that after a loss a position is another event's."""

    last = 0

    def is_new(self, event: dict[str, Any]) -> bool:
        before, self.last = self.last, max(self.last, event["position"])
        return bool(event["position"] > before)


class KnowsEveryVersion(Subscriber):
    def is_known(self, event: dict[str, Any]) -> bool:
        return (event["source"].split("/")[2], event["type"]) in EVENTS


class KnowsEveryType(Subscriber):
    def is_known(self, event: dict[str, Any]) -> bool:
        return version(event)[2] < 99


class WantsNoGaps(Subscriber):
    last = 0

    def check(self, event: dict[str, Any]) -> None:
        assert event["position"] == self.last + 1


class WantsOnlyItsFields(Subscriber):
    def check(self, event: dict[str, Any]) -> None:
        service, name, _ = version(event)
        assert event["data"].keys() <= EVENTS[service, name].model_fields.keys()


class WantsEveryField(Subscriber):
    def check(self, event: dict[str, Any]) -> None:
        service, name, _ = version(event)
        assert event["data"].keys() >= EVENTS[service, name].model_fields.keys()


def keeps_to_the_rules(subscriber: Subscriber, given: list[Delivery]) -> bool:
    """What the kit's own first lines tell others to write."""
    for each in given:
        try:
            subscriber.receive(each.body)
        except AssertionError:
            return False
    wanted = {word: [each.id for each in given if each.expect == word] for word in ("handle", "park")}
    return subscriber.handled == wanted["handle"] and subscriber.parked == wanted["park"]


def test_a_subscriber_that_keeps_to_the_rules_is_accepted() -> None:
    given = deliveries(GIVEN_OUT)
    assert keeps_to_the_rules(Subscriber(), given)
    assert {each.case for each in given} == CASES.keys()
    assert given == deliveries(reversed(GIVEN_OUT))


@pytest.mark.parametrize(
    "sloppy",
    [CountsTwice, GoesByPosition, KnowsEveryVersion, KnowsEveryType, WantsNoGaps, WantsOnlyItsFields, WantsEveryField],
)
def test_each_rule_that_a_subscriber_breaks_is_noticed(sloppy: Callable[[], Subscriber]) -> None:
    assert not keeps_to_the_rules(sloppy(), deliveries(GIVEN_OUT))


def test_what_the_kit_hands_over_could_have_been_published() -> None:
    for each in deliveries(GIVEN_OUT):
        if each.expect == "park":
            with pytest.raises((UnknownEvent, UnknownVersion)):
                decode(each.body)
        else:
            assert str(decode(each.body).event_id) == each.id


def test_what_nobody_knows_cannot_be_tried() -> None:
    with pytest.raises(UnknownEvent):
        deliveries(["orders.OrderEaten"])

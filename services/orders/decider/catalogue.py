"""The catalogue: what can be asked for, in numbered versions. Orders keep the version they were placed with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from contracts.command import Refused
from contracts.orders import ServiceItemEvent, ServiceItemPublished, ServiceItemRetired
from services.orders.commands.beside import PublishServiceItem, RetireServiceItem
from services.orders.commands.words import item_id_of


@dataclass(frozen=True, slots=True)
class ServiceItem:
    """The newest version of an item, and whether it can be asked for."""

    version: int = 0
    active: bool = False
    content: tuple[object, ...] = ()


def initial() -> ServiceItem:
    """Not published yet."""
    return ServiceItem()


def decide(command: PublishServiceItem | RetireServiceItem, item: ServiceItem) -> Sequence[ServiceItemEvent]:
    """Publishing again makes a new version; publishing the same again is refused."""
    match command:
        case PublishServiceItem():
            published = ServiceItemPublished(
                item_id=item_id_of(command.item_code),
                item_code=command.item_code,
                item_version=item.version + 1,
                expected_minutes=command.expected_minutes,
                slots=command.slots,
                home_visit=command.home_visit,
                licence=command.licence,
                skills=command.skills,
                insurance_required=command.insurance_required,
                published_at=command.at,
            )
            if item.active and item.content == _content(published):
                raise Refused("item_published_already", item_version=item.version)
            return [published]
        case RetireServiceItem():
            if item.version == 0:
                raise Refused("item_unknown", item_code=command.item_code)
            if not item.active:
                raise Refused("item_retired", item_code=command.item_code)
            retired = ServiceItemRetired(
                item_id=item_id_of(command.item_code),
                item_code=command.item_code,
                item_version=item.version,
                replaced_by=command.replaced_by,
                reason_code=command.reason_code,
                retired_at=command.at,
            )
            return [retired]
        case _:
            assert_never(command)


def evolve(item: ServiceItem, event: ServiceItemEvent) -> ServiceItem:
    """The item after `event`."""
    match event:
        case ServiceItemPublished():
            return ServiceItem(event.item_version, True, _content(event))
        case ServiceItemRetired():
            return ServiceItem(item.version, False, item.content)
        case _:
            assert_never(event)


def _content(event: ServiceItemPublished) -> tuple[object, ...]:
    return (
        event.expected_minutes,
        event.slots,
        event.home_visit,
        event.licence,
        event.skills,
        event.insurance_required,
    )

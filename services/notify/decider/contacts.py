"""What reaches a person or a gift: one contact a channel, and after an erasure none ever again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.notify import ContactEvent, ContactRemoved, ContactSet, PersonDataErased
from services.notify.commands import AnyContactCommand, EraseContacts, RemoveContact, SetContact


@dataclass(frozen=True, slots=True)
class Contacts:
    """Channel → contact_id of what is in use."""

    by_channel: Mapping[str, UUID] = field(default_factory=dict)
    erased: bool = False


Events = Sequence[ContactEvent | PersonDataErased]


def initial() -> Contacts:
    """Nobody has said how to reach this ref."""
    return Contacts()


def decide(command: AnyContactCommand, contacts: Contacts) -> Events:
    """The events that a command comes to. Raises Refused: person_erased, address_required, address_not_taken,
    contact_unknown.
    """
    match command:
        case SetContact():
            return _set(command, contacts)
        case RemoveContact():
            return [_removed(command, contacts, command.channel, command.reason_code)]
        case EraseContacts():
            return _erase(command, contacts)
        case _:
            assert_never(command)


def _set(command: SetContact, contacts: Contacts) -> Events:
    if contacts.erased:
        raise Refused("person_erased")
    if command.channel == "phone" and command.address_ref is None:
        raise Refused("address_required", channel=command.channel)
    if command.channel in {"in_app", "console"} and command.address_ref is not None:
        raise Refused("address_not_taken", channel=command.channel)
    contact = ContactSet(
        contact_id=command.contact_id,
        ref=command.ref,
        channel=command.channel,
        address_ref=command.address_ref,
        address_commitment=command.address_commitment,
        role=command.by.role,
        set_at=command.at,
    )
    return [contact]


def _removed(
    command: RemoveContact | EraseContacts, contacts: Contacts, channel: str, reason_code: str | None
) -> ContactRemoved:
    contact_id = contacts.by_channel.get(channel)
    if contact_id is None:
        raise Refused("contact_unknown", channel=channel)
    return ContactRemoved.model_validate(
        {
            "contact_id": contact_id,
            "ref": command.ref,
            "channel": channel,
            "reason_code": reason_code,
            "role": command.by.role,
            "removed_at": command.at,
        }
    )


def _erase(command: EraseContacts, contacts: Contacts) -> Events:
    if contacts.erased:
        return []
    removed = [_removed(command, contacts, channel, "person_erased") for channel in contacts.by_channel]
    erased = PersonDataErased(
        person_id=command.ref,
        source_event_id=command.source_event_id,
        purposes=command.purposes,
        erased_at=command.at,
    )
    return [*removed, erased]


def evolve(contacts: Contacts, event: ContactEvent | PersonDataErased) -> Contacts:
    """The contacts after an event."""
    match event:
        case ContactSet():
            return replace(contacts, by_channel={**contacts.by_channel, event.channel: event.contact_id})
        case ContactRemoved():
            left = {channel: each for channel, each in contacts.by_channel.items() if channel != event.channel}
            return replace(contacts, by_channel=left)
        case PersonDataErased():
            return Contacts(erased=True)
        case _:
            assert_never(event)

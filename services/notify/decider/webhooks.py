"""An address outside that is sent events: registered once, disabled and enabled as often as need be."""

from collections.abc import Sequence
from typing import Literal, assert_never

from contracts.command import Refused
from contracts.event import EVENTS
from contracts.notify import WebhookDisabled, WebhookEnabled, WebhookEvent, WebhookRegistered
from services.notify.commands import (
    AnyWebhookCommand,
    DisableWebhook,
    EnableWebhook,
    RegisterWebhook,
    ReplayWebhook,
    RotateWebhookSecret,
    TryWebhook,
)

State = Literal["UNKNOWN", "ENABLED", "DISABLED"]
NEVER_SENT = "notify"
"""notify's own log: what a delivery causes would have to be delivered in turn."""


def initial() -> State:
    """Nobody has registered it."""
    return "UNKNOWN"


def decide(command: AnyWebhookCommand, state: State) -> Sequence[WebhookEvent]:
    """The events that a command comes to. Raises Refused: webhook_known, webhook_unknown, webhook_disabled,
    webhook_enabled, webhooks_full, event_unknown, event_internal, start_unused.
    """
    if state == "UNKNOWN" and not isinstance(command, RegisterWebhook):
        raise Refused("webhook_unknown")
    match command:
        case RegisterWebhook():
            return [_registered(command, state)]
        case DisableWebhook():
            if state == "DISABLED":
                raise Refused("webhook_disabled")
            return [
                WebhookDisabled(
                    webhook_id=command.webhook_id,
                    reason_code=command.reason_code,
                    role=command.by.role,
                    disabled_at=command.at,
                )
            ]
        case EnableWebhook():
            if state == "ENABLED":
                raise Refused("webhook_enabled")
            _check_room(command)
            return [
                WebhookEnabled(
                    webhook_id=command.webhook_id, role=command.by.role, enabled_at=command.at, place=command.place
                )
            ]
        case RotateWebhookSecret() | ReplayWebhook() | TryWebhook():
            return []
        case _:
            assert_never(command)


def _registered(command: RegisterWebhook, state: State) -> WebhookRegistered:
    if state != "UNKNOWN":
        raise Refused("webhook_known")
    _check_room(command)
    for name in command.events:
        check_sent(name)
    logs = {name.partition(".")[0] for name in command.events}
    for start in command.starts:
        if start.log not in logs:
            raise Refused("start_unused", log=start.log)
    return WebhookRegistered(
        webhook_id=command.webhook_id,
        events=command.events,
        starts=command.starts,
        target_ref=command.target_ref,
        target_commitment=command.target_commitment,
        role=command.by.role,
        registered_at=command.at,
        place=command.place,
    )


def _check_room(command: RegisterWebhook | EnableWebhook) -> None:
    if command.enabled >= command.policy.webhooks_max:
        raise Refused("webhooks_full", most=command.policy.webhooks_max)


def check_sent(name: str) -> None:
    """Whether an event may leave the community at all. Raises Refused: event_unknown, event_internal."""
    log, _, type_name = name.partition(".")
    event = EVENTS.get((log, type_name))
    if event is None or log == NEVER_SENT:
        raise Refused("event_unknown", event=name)
    if event.audience == "internal":
        raise Refused("event_internal", event=name)


def evolve(_state: State, event: WebhookEvent) -> State:
    """The state after an event."""
    match event:
        case WebhookRegistered() | WebhookEnabled():
            return "ENABLED"
        case WebhookDisabled():
            return "DISABLED"
        case _:
            assert_never(event)

"""The AsyncAPI 3.0 document: a channel and an operation for every event on NATS."""

from typing import Any

import yaml

from contracts.event import SERVICES, Event
from contracts.generator.schemas import schema_path
from contracts.generator.source import events_of

API_VERSION = "1.0.0"
_ABOUT = """\
社区志愿服务的事件 — everything that the services of a community say.

Each service's log is one JetStream stream (ORDERS, VOLUNTEERS, LEDGER, NOTIFY), and a message's stream sequence is the
event's position: no gaps, no reordering. Ignore fields that you do not know; park versions and types that you do not
know; expect an event twice and tell it by its id. The meaning of each is in CATALOGUE.md.
"""


def asyncapi() -> str:
    """The document as YAML; schemas are referenced as files beside it."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for service in SERVICES:
        for members in events_of(service).values():
            for cls in members:
                key = f"{service}.{cls.__name__}"
                messages[key] = _message(cls)
                channels[key] = _channel(cls, key)
                operations[f"say.{key}"] = {
                    "action": "send",
                    "channel": {"$ref": f"#/channels/{key}"},
                    "summary": cls.__doc__,
                    "messages": [{"$ref": f"#/channels/{key}/messages/{cls.__name__}"}],
                }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chaoyangli events",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {
                "host": "{host}:4222",
                "protocol": "nats",
                "description": "The community's NATS, JetStream enabled.",
                "variables": {"host": {"default": "localhost", "description": "Where NATS runs."}},
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "parameters": {"community": {"description": "The community's code.", "default": "chaoyangli"}},
            "messages": messages,
        },
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)


def _channel(cls: type[Event], key: str) -> dict[str, Any]:
    return {
        "address": f"{{community}}.{cls.service}.{cls.__name__}",
        "title": cls.__name__,
        "parameters": {"community": {"$ref": "#/components/parameters/community"}},
        "messages": {cls.__name__: {"$ref": f"#/components/messages/{key}"}},
        "x-stream": cls.service.upper(),
        "x-audience": cls.audience,
    }


def _message(cls: type[Event]) -> dict[str, Any]:
    name = cls.__name__
    return {
        "name": name,
        "title": name,
        "summary": cls.__doc__,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {"Nats-Msg-Id": {"type": "string", "format": "uuid", "description": "The event's id."}},
        },
        "payload": {
            "allOf": [
                {"$ref": "./schemas/envelope.json"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": name},
                        "data": {"$ref": f"./{schema_path(cls.service, name, cls.version)}"},
                    },
                },
            ]
        },
        "tags": [{"name": cls.service}, {"name": cls.audience}],
    }

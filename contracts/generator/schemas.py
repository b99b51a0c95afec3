"""JSON Schemas (2020-12) of every event's data, and of the envelope around it."""

import json
from typing import Any

from contracts.command import Channel, Role
from contracts.envelope import dataschema
from contracts.event import EVENTS, Event
from contracts.generator.source import field_words

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPEN_LISTS = {Role.__name__, Channel.__name__}
"""Lists that may grow within a version: in schemas an `x-extensible-enum`, which no validator enforces."""


def schema_path(service: str, name: str, version: int) -> str:
    """Where a schema lies, relative to contracts/."""
    return f"schemas/{service}/{name}/{version}.json"


def all_schemas() -> dict[str, Schema]:
    """Path relative to contracts/ → schema, for every event at its newest version, and the envelope."""
    schemas = {schema_path(service, name, cls.version): event_schema(cls) for (service, name), cls in EVENTS.items()}
    return {"schemas/envelope.json": envelope_schema(), **dict(sorted(schemas.items()))}


def event_schema(cls: type[Event]) -> Schema:
    """The schema of one event's `data`: self-contained, every reference resolved, words from the source."""
    raw = cls.model_json_schema(mode="validation")
    schema = _plain(raw, raw.get("$defs", {}))
    _describe(schema, cls)
    return {
        "$schema": _DIALECT,
        "$id": dataschema(cls.service, cls.__name__, cls.version),
        "title": cls.__name__,
        "description": (cls.__doc__ or "").strip(),
        "x-service": cls.service,
        "x-audience": cls.audience,
        **{key: schema[key] for key in ("type", "properties", "required")},
    }


def envelope_schema() -> Schema:
    """CloudEvents 1.0 in JSON as we write it: the required attributes and our extensions."""
    uuid = {"type": "string", "format": "uuid"}
    number = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}

    def text(words: str, **more: Any) -> Schema:
        return {"type": "string", "minLength": 1, "description": words, **more}

    return {
        "$schema": _DIALECT,
        "$id": "urn:chaoyangli:schemas/envelope",
        "title": "Envelope",
        "description": "信封 — a CloudEvent 1.0 as every service publishes it.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**uuid, "description": "Unique; the Nats-Msg-Id. Seen again: the same event again."},
            "source": text(
                "/community/service, after an accepted loss /community/service/2",
                pattern="^/[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*(/[1-9][0-9]{0,3})?$",
            ),
            "type": text("The event's name."),
            "subject": text("The stream: an aggregate's name and id, such as order-<uuid>."),
            "time": text("When it was recorded, UTC; never decreases within a log.", format="date-time"),
            "datacontenttype": {"const": "application/json"},
            "dataschema": text("The schema of data; its last segment is the version.", format="uri"),
            "position": {**number, "description": "The event's number in the service's log: no gaps."},
            "streamversion": {**number, "description": "The event's number in its stream."},
            "correlationid": {**uuid, "description": "One for all that follows from one request."},
            "causationid": {**uuid, "description": "The event that this one reacts to."},
            "actor": text("Who did it: an opaque id, or `system`."),
            "traceparent": text("W3C Trace Context."),
            "data": {"type": "object"},
        },
        "required": [
            *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"),
            *("position", "streamversion", "data"),
        ],
    }


def _plain(node: Any, defs: dict[str, Any]) -> Any:
    """Inline references, drop generated titles and the null that is never written, mark the lists that may grow."""
    if isinstance(node, list):
        return [_plain(each, defs) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        target = _plain(defs[name], defs)
        if name in OPEN_LISTS:
            target = {"type": "string", "pattern": "^[A-Za-z_]{1,32}$", "x-extensible-enum": target["enum"]}
        return {**target, **_plain({k: v for k, v in node.items() if k != "$ref"}, defs)}
    if "anyOf" in node:
        choices = [each for each in node["anyOf"] if each != {"type": "null"}]
        rest = {k: v for k, v in node.items() if k not in ("anyOf", "title") and not (k == "default" and v is None)}
        if len(choices) == 1:
            return {**_plain(choices[0], defs), **_plain(rest, defs)}
        return {"anyOf": _plain(choices, defs), **_plain(rest, defs)}
    plain = {}
    for key, value in node.items():
        if key == "properties":
            plain[key] = {name: _plain(each, defs) for name, each in value.items()}
        elif key not in ("title", "$defs", "description"):
            plain[key] = _plain(value, defs)
    return plain


def _describe(schema: Schema, cls: type[Any]) -> None:
    """Set the words of the class's source under each property, nested parts included."""
    for name, words in field_words(cls).items():
        target = schema["properties"][name]
        if words.words:
            target["description"] = words.words
        part = part_in(cls.model_fields[name].annotation)
        if part is not None:
            _describe(target.get("items", target), part)


def part_in(annotation: Any) -> type[Any] | None:
    """The Part inside a field's type, if there is one."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        part = part_in(inner)
        if part is not None:
            return part
    return None


def as_file(value: Any) -> str:
    """JSON as it is committed: two spaces, real characters, a newline at the end."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"

"""CATALOGUE.md: every event in the words of people, in both tongues."""

from pathlib import Path
from typing import Any

from contracts.event import SERVICES, Event
from contracts.generator.hearers import heard_by
from contracts.generator.schemas import part_in, schema_path
from contracts.generator.source import category, events_of, field_words, type_words

_RULES = Path(__file__).with_name("rules.md")


def catalogue() -> str:
    """The whole text."""
    parts = [_RULES.read_text(encoding="utf-8"), _types(), _contents()]
    for service in SERVICES:
        parts.append(f"## {service}\n")
        for aggregate, members in events_of(service).items():
            parts.append(f"### {service}: {aggregate} (`{category(aggregate)}-<id>`)\n")
            parts += [_event(cls) for cls in members]
    return "\n".join(parts)


def _types() -> str:
    rows = [f"| `{name}` | {words} |" for name, words in type_words().items()]
    rows += ["| `UUID` | An opaque id, UUIDv7. |", "| `date` | A calendar day in Asia/Shanghai, as 2026-03-05. |"]
    return "## 字段类型 · Types of fields\n\n| type | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def _contents() -> str:
    lines = [
        "## 一览 · At a glance\n",
        "| service | event | 含义 · meaning | audience | heard by |",
        "|---|---|---|---|---|",
    ]
    for service in SERVICES:
        for members in events_of(service).values():
            for cls in members:
                hearers = ", ".join(dict.fromkeys(who for who, _ in heard_by(service, cls.__name__))) or "–"
                link = f"[{cls.__name__}](#{_anchor(cls)})"
                lines.append(f"| {service} | {link} | {_meaning(cls)} | {cls.audience} | {hearers} |")
    return "\n".join(lines) + "\n"


def _anchor(cls: type[Event]) -> str:
    return f"{cls.service}-{cls.__name__}".lower()


def _meaning(cls: type[Event]) -> str:
    return (cls.__doc__ or "").strip()


def _event(cls: type[Event]) -> str:
    name, service = cls.__name__, cls.service
    links = f"[schema]({schema_path(service, name, cls.version)}) · [example](examples/{service}/{name}.json)"
    lines = [
        f'#### <a id="{_anchor(cls)}"></a>{name}\n',
        f"{_meaning(cls)}\n",
        f"`<community>.{service}.{name}` · {cls.audience} · version {cls.version} · {links}\n",
    ]
    lines += [f"- heard by **{who}**, which {what}" for who, what in heard_by(service, name)]
    if heard_by(service, name):
        lines.append("")
    lines += ["| field | type | | meaning |", "|---|---|---|---|"]
    lines += _rows(cls)
    return "\n".join(lines) + "\n"


def _rows(cls: type[Any], prefix: str = "") -> list[str]:
    rows = []
    for name, words in field_words(cls).items():
        needed = "required" if cls.model_fields[name].is_required() else "optional"
        written = words.written.replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | `{written}` | {needed} | {words.words} |")
        part = part_in(cls.model_fields[name].annotation)
        if part is not None:
            inner = f"{prefix}{name}[]." if written.startswith(("tuple", "Annotated[tuple")) else f"{prefix}{name}."
            rows += _rows(part, inner)
    return rows

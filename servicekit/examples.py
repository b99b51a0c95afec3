"""An example of a request body from its JSON Schema: what a reader of the API document can send as it stands."""

import re
from collections.abc import Mapping
from typing import Any

_BY_NAME: dict[str, Any] = {
    "address": "示例路1号1门501",
    "birth_date": "1955-05-01",
    "details": {"address": "示例路1号1门501", "phone": "13800000000", "note": "想理个发"},
    "donor": {"name": "赵示例", "phone": "13900000000", "public_name": "赵女士"},
    "entrance_id": "entrance-001",
    "expires_on": "2030-12-31",
    "finished_at": "2026-10-02T10:00:00+08:00",
    "fund": "fund-relief",
    "from_minute": 540,
    "grid_id": "grid-01",
    "insurer": "sample-insurer",
    "item_code": "haircut",
    "licence": "medical",
    "name": "王示例",
    "period": "2026-02",
    "phone": "13800000000",
    "key_id": "9f86d081884c7d65",
    "payee": {"name": "周示例", "account": "6222000000000000000"},
    "proof": "A" * 86 + "==",
    "public_key": "A" * 43 + "=",
    "purpose": "illness",
    "receipt_no": "2026-000123",
    "scope_id": "chaoyangli",
    "service_code": "4711",
    "person_b_id": "0199a0c0-0000-7000-8000-000000000002",
    "proxy_id": "0199a0c0-0000-7000-8000-000000000002",
    "resident_id": "0199a0c0-0000-7000-8000-000000000001",
    "seconded_by": "0199a0c0-0000-7000-8000-000000000002",
    "sig": "A" * 86 + "==",
    "skill": "haircut",
    "standard": "aid-standard-1",
    "started_at": "2026-10-02T09:00:00+08:00",
    "to_minute": 720,
    "verify_code": "4711471147114711",
    "window_end": "2030-03-04T10:00:00+08:00",
    "window_start": "2030-03-04T09:00:00+08:00",
}
"""Codes are those of servicekit/reference.yaml; people are invented."""
_BY_FORMAT = {
    "uuid": "0199a0c0-0000-7000-8000-000000000001",
    "date-time": "2030-03-04T09:00:00+08:00",
    "date": "2030-03-04",
}


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> Any:
    """A value that the schema allows: of an object, its required fields and those that have a usual example."""
    schema = _resolved(schema, schemas)
    if isinstance(_BY_NAME.get(name), dict):
        return _BY_NAME[name]
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            return {
                field: example(inner, schemas, field)
                for field, inner in schema.get("properties", {}).items()
                if field in required or field in _BY_NAME
            }
        case "array":
            return [example(schema.get("items", {}), schemas, name.removesuffix("s"))] * max(
                1, schema.get("minItems", 1)
            )
        case "integer":
            return _BY_NAME.get(name, int(schema.get("minimum", 1)))
        case "boolean":
            return bool(schema.get("default", True))
        case "string":
            return _text(schema, name)
        case _:
            return {}


def _text(schema: Mapping[str, Any], name: str) -> str:
    usual = [str(_BY_NAME[name])] if name in _BY_NAME else []
    if schema.get("format") in _BY_FORMAT:
        return (usual or [_BY_FORMAT[schema["format"]]])[0]
    shape = re.compile(schema.get("pattern", ""))
    return next(text for text in (*usual, "other", "13800000000", "4711", "0" * 64) if shape.search(text))


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Behind references and `or null`."""
    while True:
        choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
        if choices:
            schema = choices[0]
        elif "$ref" in schema:
            schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        else:
            return schema

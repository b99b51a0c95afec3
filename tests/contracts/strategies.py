"""Any data that a schema allows, for Hypothesis."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = st.integers(0, 7 * 10**15).map(lambda elapsed: _EPOCH + timedelta(microseconds=elapsed))


def data_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that JSON could hold for this schema, optional fields present or not."""
    if "const" in schema:
        return st.just(schema["const"])
    values = schema.get("enum") or schema.get("x-extensible-enum")
    if values:
        return st.sampled_from(values)
    match schema["type"]:
        case "object":
            required = set(schema.get("required", ()))
            fields = {name: data_of(each) for name, each in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: each for name, each in fields.items() if name in required},
                optional={name: each for name, each in fields.items() if name not in required},
            )
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(data_of(schema["items"]), min_size=least, max_size=least + 2)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "string":
            return _texts(schema)
        case _:
            raise AssertionError(f"a kind of field that no event may have: {schema}")


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    match schema.get("format"):
        case "uuid":
            return st.uuids().map(str)
        case "date":
            return st.dates().map(lambda day: day.isoformat())
        case "date-time":
            return _TIMES.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
        case _:
            return st.from_regex(schema["pattern"], fullmatch=True)

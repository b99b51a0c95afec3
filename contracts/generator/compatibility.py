"""What may change in a published schema: optional fields may be added, and nothing else (architecture.md §4)."""

from typing import Any

Schema = dict[str, Any]
_AUDIENCES = {"internal": 0, "partner": 1, "public": 2}
_WORDS = {"title", "description", "examples", "$id", "$schema"}


def incompatibilities(published: Schema, proposed: Schema, where: str = "") -> list[str]:
    """Return what is wrong with replacing one schema by the other under the same version; nothing means compatible.

    Subscribers were promised what was published, and stored events were written under it, so each side must accept
    the other's: nothing removed, renamed, retyped, newly required or no longer sure to be there, no list of values
    changed, no bound moved. A list marked `x-extensible-enum` may grow, and the audience; words may change.
    """
    found: list[str] = []
    for key in sorted((published.keys() | proposed.keys()) - _WORDS):
        old, new = published.get(key), proposed.get(key)
        if key == "properties":
            found += _properties(old or {}, new or {}, where, set(proposed.get("required", ())))
        elif key == "required":
            found += _required(set(old or ()), set(new or ()), where, published.get("properties", {}))
        elif key == "items" and isinstance(old, dict) and isinstance(new, dict):
            found += incompatibilities(old, new, f"{where}[]")
        elif key == "enum":
            found += _values(old, new, where)
        elif key == "x-extensible-enum":
            lost = [value for value in old or () if value not in (new or ())]
            found += [f"{_at(where)}lost the value {value!r}" for value in lost]
        elif key == "x-audience" and _AUDIENCES.get(str(new), -1) >= _AUDIENCES.get(str(old), -1):
            continue
        elif old != new or type(old) is not type(new):
            found.append(f"{_at(where)}{key} was {_show(old)} and would be {_show(new)}")
    return found


def _properties(old: Schema, new: Schema, where: str, required: set[str]) -> list[str]:
    found = [f"{_at(_join(where, name))}was removed" for name in old if name not in new]
    found += [
        f"{_at(_join(where, name))}is new and required; a new field must be optional"
        for name in new
        if name not in old and name in required
    ]
    for name in old:
        if name in new:
            found += incompatibilities(old[name], new[name], _join(where, name))
    return found


def _required(old: set[str], new: set[str], where: str, properties: Schema) -> list[str]:
    tightened = sorted(name for name in new - old if name in properties)
    found = [f"{_at(_join(where, name))}was optional and would be required" for name in tightened]
    return found + [f"{_at(_join(where, name))}was always there and would be optional" for name in sorted(old - new)]


def _values(old: list[Any] | None, new: list[Any] | None, where: str) -> list[str]:
    if old is None or new is None:
        return [f"{_at(where)}{'was' if new is None else 'would become'} a fixed list of values"]
    found = [f"{_at(where)}lost the value {value!r}" for value in old if value not in new]
    found += [
        f"{_at(where)}got the value {value!r}, which subscribers do not know" for value in new if value not in old
    ]
    return found


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _show(value: Any) -> str:
    return "absent" if value is None else repr(value)

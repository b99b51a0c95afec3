"""What is committed is what the classes say, and it is well-formed."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from contracts import generate
from contracts.envelope import decode
from contracts.event import EVENTS
from contracts.generator.hearers import arrows

CONTRACTS = Path(generate.__file__).parent
SCHEMAS = sorted((CONTRACTS / "schemas").rglob("*.json"))
EXAMPLES = sorted((CONTRACTS / "examples").rglob("*.json"))
GOLDEN = sorted(generate.GOLDEN.rglob("*.json"))
REQUIRED = {"id", "source", "specversion", "type"}  # CloudEvents 1.0.2, "Required attributes"
ENVELOPE = json.loads((CONTRACTS / "schemas/envelope.json").read_bytes())


def _named(path: Path) -> str:
    return ".".join(path.parts[-3:])


def _check(value: object, schema: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.validate(value)


def test_nothing_is_stale_and_nothing_is_refused() -> None:
    assert generate.run(check=True) == generate.Outcome(), "run `make contracts` and commit"


def test_check_says_so_by_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    assert f"{len(EVENTS)} events" in capsys.readouterr().out


@pytest.mark.parametrize("path", SCHEMAS, ids=_named)
def test_a_schema_is_a_schema(path: Path) -> None:
    schema = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "$ref" not in path.read_text("utf-8"), "schemas stand alone"


def test_every_event_has_an_example() -> None:
    assert {(path.parent.name, path.stem) for path in EXAMPLES} == set(EVENTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=_named)
def test_an_example_is_a_whole_cloudevent_and_fits_its_schema(path: Path) -> None:
    body = path.read_bytes().rstrip()
    example = json.loads(body)
    assert example.keys() >= REQUIRED
    assert all(key.isalnum() and key.islower() for key in example), "attribute names are a-z and 0-9"
    _check(example, ENVELOPE)
    service, name, version = example["dataschema"].split("/")[-3:]
    schema = json.loads((CONTRACTS / "schemas" / service / name / f"{version}.json").read_bytes())
    assert schema["$id"] == example["dataschema"]
    _check(example["data"], schema)
    assert example["data"].keys() >= set(schema["required"])
    recorded = decode(body)
    assert (recorded.service, recorded.type) == (path.parent.name, path.stem)


def test_a_wrong_example_would_be_noticed() -> None:
    schema = json.loads((CONTRACTS / "schemas/orders/OrderRated/1.json").read_bytes())
    data = json.loads((CONTRACTS / "examples/orders/OrderRated.json").read_bytes())["data"]
    _check(data, schema)
    for field, value in {"score": 6, "order_id": "7", "rated_at": "soon", "rater_kind": "server", "state": 1}.items():
        with pytest.raises(jsonschema.ValidationError):
            _check({**data, field: value}, schema)


@pytest.mark.parametrize("path", GOLDEN, ids=_named)
def test_every_version_ever_published_is_still_read(path: Path) -> None:
    body = path.read_bytes().rstrip()
    recorded = decode(body)
    assert (recorded.service, recorded.type) == (path.parts[-3], path.parts[-2])
    assert json.loads(body)["dataschema"].rsplit("/", 1)[1] == path.stem


def test_every_published_schema_has_a_golden_event() -> None:
    published = {path.relative_to(CONTRACTS / "schemas") for path in SCHEMAS if path.name != "envelope.json"}
    assert {path.relative_to(generate.GOLDEN) for path in GOLDEN} == published


def test_the_catalogue_has_every_event_every_field_and_every_hearer() -> None:
    text = (CONTRACTS / "CATALOGUE.md").read_text("utf-8")
    sections = dict(
        zip(
            [f"{cls.service}-{cls.__name__}".lower() for cls in EVENTS.values()],
            EVENTS.values(),
            strict=True,
        )
    )
    for anchor, cls in sections.items():
        _, _, rest = text.partition(f'<a id="{anchor}"></a>{cls.__name__}\n')
        section = rest.partition("\n#### ")[0]
        assert (cls.__doc__ or "").strip() in section
        assert f"`<community>.{cls.service}.{cls.__name__}` · {cls.audience} · version {cls.version}" in section
        assert [name for name in cls.model_fields if f"| `{name}` |" not in section] == []
    assert text.count("heard by **") >= len(arrows())


def test_whoever_is_heard_exists() -> None:
    assert arrows() <= set(EVENTS)


class TestAsyncApi:
    """The document is AsyncAPI 3.0: every reference leads somewhere, every operation to a message of its channel."""

    document = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))

    def resolve(self, reference: str) -> object:
        if reference.startswith("./"):
            return json.loads((CONTRACTS / reference).read_bytes())
        node = self.document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        return node

    def test_it_has_what_every_document_must_have(self) -> None:
        assert self.document["asyncapi"] == "3.0.0"
        assert {"title", "version"} <= self.document["info"].keys()
        assert self.document["servers"]["nats"]["protocol"] == "nats"

    def test_every_reference_resolves(self) -> None:
        def walk(node: object) -> int:
            if isinstance(node, dict):
                if "$ref" in node:
                    assert self.resolve(node["$ref"])
                    return 1
                return sum(walk(each) for each in node.values())
            return sum(walk(each) for each in node) if isinstance(node, list) else 0

        assert walk(self.document) >= 5 * len(EVENTS)

    def test_every_event_is_said_on_a_channel_of_its_own(self) -> None:
        for (service, name), cls in EVENTS.items():
            key = f"{service}.{name}"
            channel = self.document["channels"][key]
            assert channel["address"] == f"{{community}}.{service}.{name}"
            assert channel["x-audience"] == cls.audience
            assert set(channel["parameters"]) == {"community"}
            operation = self.document["operations"][f"say.{key}"]
            assert operation["action"] == "send"
            assert operation["channel"] == {"$ref": f"#/channels/{key}"}
            assert operation["messages"] == [{"$ref": f"#/channels/{key}/messages/{name}"}]
            message = self.document["components"]["messages"][key]
            assert message["summary"] == cls.__doc__
        assert len(self.document["channels"]) == len(self.document["operations"]) == len(EVENTS)

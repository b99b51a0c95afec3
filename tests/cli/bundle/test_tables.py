"""A log's table says of every event what its bytes say, and nothing else: whatever row is off is named."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from cli.bundle.checking import BundleUnreadable, check
from cli.bundle.manifest import NAME, table_of
from cli.bundle.tables import GROUP_ROWS_MAX, SCHEMA, table_writer
from contracts.envelope import decode
from eventstore.merkle import leaf_hash
from eventstore.tiles import TILE_WIDTH
from tests.cli.bundle.bundles import bodies, put, table, write
from tests.cli.bundle.test_memory import peak_bytes
from tests.cli.program import say

EVENTS = 600
NOTICES = table_of("notify")


def notices(count):
    (body,) = bodies()["notify"]
    return [body.replace(b'"position":1,', b'"position":%d,' % number) for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bundle"), bodies() | {"notify": notices(EVENTS)})


def test_a_row_is_what_the_event_says(whole):
    for service, log in bodies().items():
        rows = pq.read_table(whole / table_of(service)).to_pylist()
        for row, body in zip(rows, log, strict=service != "notify"):
            said, event = json.loads(body), decode(body)
            assert (row["position"], row["version"]) == (event.position, event.version)
            assert (row["type"], row["event_id"]) == (event.type, str(event.event_id))
            assert f"{row['stream_type']}-{row['stream_id']}" == event.stream
            assert row["recorded_at"] == event.recorded_at
            assert row["origin"] == f"{event.community}/{service}"
            assert said["dataschema"].endswith(f"/{event.type}/{row['schema_version']}")
            assert (row["correlation_id"], row["causation_id"]) == (said.get("correlationid"), said.get("causationid"))
            assert json.loads(row["payload"]) == said["data"]
            assert row["payload"] == json.dumps(said["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert row["leaf_hash"] == leaf_hash(body).hex()


def test_the_same_events_make_the_same_file(whole, tmp_path):
    table(tmp_path, "notify", notices(EVENTS))
    assert (tmp_path / NOTICES).read_bytes() == (whole / NOTICES).read_bytes()


def changed(rows, at, **values):
    rows[at - 1] = rows[at - 1] | values


def move(rows, at, to):
    rows.insert(to - 1, rows.pop(at - 1))


LATER = datetime(2030, 1, 1, tzinfo=UTC)
SPOILED = {
    "a payload": (lambda rows: changed(rows, 17, payload="{}"), ["row 17: payload is not what event 17 says"]),
    "a time and a type": (
        lambda rows: changed(rows, 300, recorded_at=LATER, type="OrderPlaced"),
        ["row 300: recorded_at, type are not what event 300 says"],
    ),
    "a hash": (lambda rows: changed(rows, 600, leaf_hash="0" * 64), ["row 600: leaf_hash is not what event 600 says"]),
    "a cause": (lambda rows: changed(rows, 1, causation_id="x"), ["row 1: causation_id is not what event 1 says"]),
    "one is missing": (lambda rows: rows.pop(16), ["event 17 is missing before row 17, which is event 18"]),
    "the first are missing": (
        lambda rows: rows.__delitem__(slice(0, 300)),
        ["events 1 to 300 are missing before row 1, which is event 301"],
    ),
    "the last is missing": (lambda rows: rows.pop(), ["event 600 is missing"]),
    "all are missing": (lambda rows: rows.clear(), ["events 1 to 600 are missing"]),
    "one is there twice": (
        lambda rows: rows.insert(256, rows[255]),
        ["row 257 is event 256, out of its order or once more"],
    ),
    "one more at the end": (
        lambda rows: rows.append(rows[-1] | {"position": 601}),
        ["row 601 says that it is event 601; the log has 600"],
    ),
    "one of no number": (
        lambda rows: rows.insert(3, rows[3] | {"position": 0}),
        ["row 4 says that it is event 0; the log has 600"],
    ),
    "two are swapped": (
        lambda rows: move(rows, 256, 257),
        ["event 256 is missing before row 256, which is event 257",
         "row 257 is event 256, out of its order or once more"],
    ),
    "the last one first": (
        lambda rows: move(rows, 600, 1),
        ["events 1 to 599 are missing before row 1, which is event 600",
         *(f"row {row} is event {row - 1}, out of its order or once more" for row in range(2, 21)), "… and 580 more"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_a_row_that_is_changed_missing_added_or_out_of_order_is_named(bundle, what):
    spoil, said = SPOILED[what]
    path = bundle / NOTICES
    rows = pq.read_table(path).to_pylist()
    spoil(rows)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    assert check(bundle).problems == [f"{NOTICES}: {each}" for each in said]


def without_a_column(bundle):
    path = bundle / NOTICES
    pq.write_table(pq.read_table(path).drop_columns(["actor"]), path)


def flipped(bundle):
    content = bytearray((bundle / NOTICES).read_bytes())
    content[200] ^= 1
    put(bundle / NOTICES, bytes(content))


def in_one_group_of(bundle, rows):
    """A table that says the same in one row group, packed to a hundredth: to read it takes all of its memory."""
    row = pq.read_table(bundle / NOTICES).slice(0, 1).to_pylist()[0] | {"payload": "x" * 1_000_000}
    pq.write_table(pa.Table.from_pylist([row] * rows, SCHEMA), bundle / NOTICES, use_dictionary=False)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda b: in_one_group_of(b, 120), f"{NOTICES} has a row group of 12"),
        (lambda b: (b / NOTICES).unlink(), f"{NOTICES} cannot be read"),
        (lambda b: put(b / NOTICES, b"PAR1"), f"{NOTICES} cannot be read"),
        (flipped, f"{NOTICES}: it cannot be read after row 0"),
        (without_a_column, f"{NOTICES} has other columns"),
        (lambda b: shutil.copy(b / NOTICES, b / "parquet" / "members.parquet"), "parquet/members.parquet is named by"),
        (lambda b: (b / NAME).unlink(), "parquet/ledger.parquet is named by no manifest"),
        (lambda b: named(b, lambda logs: logs["notify"].pop("table")), f"{NOTICES} is named by no manifest"),
        (lambda b: named(b, lambda logs: logs.pop("notify")), "manifest.json names the logs ledger, orders, volunt"),
        (lambda b: named(b, lambda logs: logs["notify"].update(events=1)), "manifest.json: notify is said to be 1"),
    ],
)
def test_a_table_that_cannot_be_believed_as_a_whole_is_told(bundle, spoil, said):
    spoil(bundle)
    assert any(problem.startswith(said) for problem in check(bundle).problems), check(bundle).problems


def named(bundle, change):
    manifest = json.loads((bundle / NAME).read_text())
    change(manifest["logs"])
    put(bundle / NAME, json.dumps(manifest).encode())


def test_a_bundle_of_the_first_kind_has_no_tables_and_says_so(bundle):
    assert set(check(bundle).tables) == {"orders", "volunteers", "ledger", "notify"}
    (bundle / NAME).unlink()
    shutil.rmtree(bundle / "parquet")
    said = say("audit", "verify", bundle)
    assert said.code == 0
    assert b"no tables of events: a bundle of the first kind" in said.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"kind": 3}', "this program reads 2 at most"),
        (b'{"kind": 1, "logs": {}}', "no bundle of kind 1"),
        (b"{", "manifest.json"),
        (b"[]", "manifest.json"),
        (
            b'{"kind": 2, "logs": {"orders": {"origin": "o", "events": 1, "table": "../../x"}}}',
            "the table of orders can only be parquet/orders.parquet",
        ),
    ],
)
def test_a_manifest_that_nobody_can_go_by_is_refused(bundle, content, said):
    put(bundle / NAME, content)
    with pytest.raises(BundleUnreadable, match=said):
        check(bundle)


def test_tables_of_six_times_the_events_are_written_in_as_much_memory(tmp_path):
    (body,) = notices(1)

    def made(groups):
        with table_writer(tmp_path / "notices.parquet") as rows:
            for first in range(0, groups * GROUP_ROWS_MAX, TILE_WIDTH):
                numbers = range(first + 1, first + TILE_WIDTH + 1)
                rows.add([body.replace(b'"position":1,', b'"position":%d,' % number) for number in numbers])

    few, many = (arrow_peak_bytes(lambda groups=groups: made(groups)) for groups in (1, 6))
    assert pq.read_metadata(tmp_path / "notices.parquet").num_rows == 6 * GROUP_ROWS_MAX
    assert few[1] > 1_000_000, "Arrow was measured"
    assert many[0] < 1.3 * few[0]
    assert many[1] < 1.3 * few[1]


def arrow_peak_bytes(work):
    """What Python and what Arrow held at most; Arrow allocates beside Python."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(pool)
    try:
        return peak_bytes(work), pool.max_memory()
    finally:
        pa.set_memory_pool(before)


def test_only_who_makes_or_reads_tables_waits_for_pyarrow():
    loaded = "import sys, cli.main, cli.bundle.checking; print('pyarrow' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=240)
    assert said.stdout == "False\n"

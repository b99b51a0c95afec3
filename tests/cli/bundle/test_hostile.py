"""A bundle from somebody who means ill: it is refused or its fault is named, and never makes the check stumble."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

from cli.bundle.checking import BundleUnreadable, check
from cli.bundle.unpacking import NOTE_BYTES_MAX, opened
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import format_note, sign
from tests.cli.bundle.bundles import KEYS, bodies, origin, policy, put, write


def problems(bundle: Path) -> list[str]:
    with opened(bundle) as directory:
        return check(directory).problems


AMBIGUOUS = {
    "a name twice": (b'"amount":12345,', b'"amount":99999,"amount":12345,'),
    "a name escaped": (b'"amount":12345,', b'"\\u0061mount":99999,"amount":12345,'),
    "a name that only case tells apart": (b'"amount":12345,', b'"amount":12345,"Amount":99999,'),
    "a name of the envelope twice": (b'"type":', b'"type":"EntryReversed","type":'),
}
"""What our own reader takes for 12345, and another program for 99999: the log's own key has signed it."""


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_an_event_in_which_programs_read_different_things_is_named(tmp_path, what):
    logs, (plain, ambiguous) = bodies(), AMBIGUOUS[what]
    entry = logs["ledger"][-1]
    assert plain in entry
    logs["ledger"][-1] = entry.replace(plain, ambiguous, 1)
    found = problems(write(tmp_path / "bundle", logs))
    assert any(f"ledger/{len(logs['ledger'])}: it says" in one and "twice" in one for one in found), found


CARELESS = {
    "lines ended as in Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "bytes that are no text": lambda content: content + b"\xff\xfe\n",
    "a mark before it": lambda content: b"\xef\xbb\xbf" + content,
    "a line without its end": lambda content: content[:-1],
    "nothing": lambda content: b"",
}


@pytest.mark.parametrize("name", ["books/fund.hledger", "books/balances.csv", "logs/ledger/checkpoint"])
@pytest.mark.parametrize("how", CARELESS)
def test_what_is_not_there_byte_for_byte_is_named(bundle, name, how):
    put(bundle / name, CARELESS[how]((bundle / name).read_bytes()))
    said = "ledger: its head" if name.endswith("checkpoint") else name
    assert any(said in one for one in problems(bundle))


@pytest.mark.parametrize("name", ["books/fund.beancount", "logs/ledger/checkpoint"])
def test_a_directory_where_a_file_belongs_is_named(bundle, name):
    (bundle / name).unlink()
    (bundle / name).mkdir()
    said = "ledger: its head" if name.endswith("checkpoint") else name
    assert any(said in one for one in problems(bundle))


def test_a_book_that_nobody_checked_is_named_and_what_a_file_manager_leaves_is_not(bundle):
    for litter in ("books/.DS_Store", "parquet/._ledger.parquet"):
        put(bundle / litter, b"x")
    assert problems(bundle) == []
    put(bundle / "books/fund-corrected.csv", b"=cmd|' /C calc'!A0\n")
    assert any("books/fund-corrected.csv" in one and "nothing in it was checked" in one for one in problems(bundle))


MANIFESTS = {
    "a number of 5,000 digits": lambda said: said.replace(b'"kind": 2', b'"kind": ' + b"9" * 5_000),
    "lists in lists": lambda _: b"[" * 200_000,
    "no number": lambda said: said.replace(b'"kind": 2', b'"kind": NaN'),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_that_cannot_be_read_is_said_to_be_none(bundle, what):
    put(bundle / "manifest.json", MANIFESTS[what]((bundle / "manifest.json").read_bytes()))
    with pytest.raises(BundleUnreadable, match=r"manifest\.json"):
        problems(bundle)


@pytest.mark.parametrize("number", ["abc", "0", "-1", "01", "２", "9" * 30, ""])
def test_a_head_of_an_origin_that_cannot_be_is_not_believed(bundle, number):
    name, leaves = f"{origin('ledger')}/{number}", [leaf_hash(body) for body in bodies()["ledger"]]
    head = f"{name}\n{len(leaves)}\n{b64encode(root_hash(leaves)).decode()}\n"
    put(bundle / "logs/ledger/checkpoint", format_note(head, [sign(head, name, KEYS["ledger"])]).encode())
    put(bundle / "policy", policy({**{one: origin(one) for one in KEYS}, "ledger": name}).encode())
    assert any("ledger: its head cannot be believed" in one for one in problems(bundle))


def linked(bundle: Path, name: str) -> None:
    (bundle / name).rename(bundle.parent / "elsewhere")
    (bundle / name).symlink_to(bundle.parent / "elsewhere")


def piped(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    os.mkfifo(bundle / name)


def grown(bundle: Path, name: str) -> None:
    os.truncate(bundle / name, NOTE_BYTES_MAX + 1)


NO_FILES = {
    "a link": (linked, "logs/ledger/checkpoint", "a link"),
    "a link to a directory": (linked, "logs/ledger", "a link"),
    "a link among the books": (linked, "books/fund.hledger", "a link"),
    "a pipe, which would never end": (piped, "policy", "neither a file nor a directory"),
    "a head of any size": (grown, "logs/orders/checkpoint", "fit"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_nothing_outside_the_bundle_is_read_and_nothing_without_an_end(bundle, what):
    spoil, name, said = NO_FILES[what]
    spoil(bundle, name)
    with pytest.raises(BundleUnreadable, match=said):
        problems(bundle)

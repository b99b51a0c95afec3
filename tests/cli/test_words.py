"""Words that are off: one sentence says what is wrong, the exit code means it, and nothing is done."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.directory import LEFT, DirectoryLock, days_lived, journal_file, leave_days
from cli.embedded import HOST
from cli.main import EXIT_CODES
from tests.cli.program import PROGRAM, say
from tests.support.servers import temporary_directory

pytestmark = pytest.mark.journey

USAGE, NOT_THERE, NO_ANSWER, TAKEN = 2, 3, 4, 5
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def place():
    with temporary_directory() as directory:
        yield directory


def test_backups_in_a_directory_that_is_not_there_are_not_just_none(place):
    said = say("backup", "list", "--to", place / "bakcups")
    assert (said.code, said.err) == (NOT_THERE, f"chaoyangli: there is no directory {place / 'bakcups'}\n")


def left_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["status"], ["events"], ["events", "--follow"], ["trail", NOBODY], ["verify"], ["replay"], ["erasures"],
        ["dead-letters", "list"], ["token", "--role", "RESIDENT"], ["token", "--bootstrap"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_where_nothing_was_started_it_is_said_how_to_begin(place, words):
    data = place / "data"
    said = say(*words, "--data", data)
    assert said.code == NOT_THERE
    assert said.out == b""
    assert said.err == (f"chaoyangli: {data}: nothing was started here; begin with `chaoyangli up --data {data}`\n")
    assert left_in(place) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("events --service shop", "there is no service 'shop'"),
        ("verify --service shop", "there is no service 'shop'"),
        ("dead-letters show orders 1 --by shop", "there is no service 'shop'"),
        ("dead-letters retry shop 1 --by notify", "there is no service 'shop'"),
        ("dead-letters show orders 0 --by notify", "position"),
        ("events --from 0", "--from"),
        ("events --from first", "--from"),
        ("replay --until yesterday", "'yesterday' is neither a position nor a time; write one as 600, 2026-11-01"),
        ("as-of 0001-01-01 --service orders", "neither a position nor a time"),
        ("events --from 9223372036854775808", "less than or equal to 9223372036854775807"),
        ("replay --until 2026-13-40 --service orders", "neither a position nor a time"),
        ("replay --until 12", "say --service"),
        ("replay --until 12 --service orders --swap", "--swap goes to the end of the log"),
        ("token --actor somebody", "--actor"),
        ("token --on-behalf-of 12", "--on-behalf-of"),
        ("token --ttl 0", "--ttl"),
        ("token --ttl 601", "--ttl"),
        ("demo --scale huge", "--scale is small or full"),
        ("trail", "Missing argument 'ID'"),
        ("audit-everything", "No such command"),
        ("status --jason", "--jason"),
        ("checkpoint adopt orders --from-witness foo", "'foo' is no address of a witness: one begins with https://"),
        ("checkpoint adopt orders --from-witness witness.example/w", "is no address of a witness"),
        ("checkpoint adopt orders --from-witness http://", "is no address of a witness"),
        ("checkpoint adopt orders --from-witness http://x:port", "is no address of a witness"),
        ("checkpoint adopt orders --from-witness ftp://x", "is no address of a witness"),
    ],
)
def test_words_that_are_off_are_a_usage_error(place, words, why):
    said = say(*words.split(), "--data", place / "data") if "audit" not in words else say(words)
    assert said.code == USAGE, said
    assert why in said.err
    assert said.out == b""
    assert left_in(place) == []


HOSTILE = {
    "no UTF-8": b"\xff\xfe",
    "escapes, joined emoji, a right-to-left override": b"\x1b[31m\xf0\x9f\x91\xa9\xe2\x80\x8d\xe2\x80\xae",
    "quotes, blanks, markup": b'\'; DROP TABLE "x" <b> [red]%s{0}',
    "a hundred thousand": b"x" * 100_000,
}
TYPED = [
    "trail ?", "verify --service ?", "verify --data ?", "replay --until ?", "as-of ? --service orders", "receipt ? 1",
    "differences ? 1", "witness init w --name ?", "witness trust ? x", "demo --scale ?", "token --role ?", "policy ?",
    "export volunteer-records --format ?", "dead-letters show ? 1 --by notify", "events --from ?", "?",
    "token --actor ?", "token --bootstrap --name ?",
]  # fmt: skip


def typed(words: str, text: bytes) -> list[str]:
    return [os.fsdecode(text) if word == "?" else word for word in words.split()]


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("words", TYPED)
def test_whatever_is_typed_is_answered_by_a_sentence_and_an_exit_code(place, monkeypatch, words, kind):
    monkeypatch.chdir(place)
    said = say(*typed(words, HOSTILE[kind]))
    assert said.code in set(EXIT_CODES) - {0}
    assert said.err
    assert said.out == b""
    assert left_in(place) == []


def test_a_name_that_is_no_text_is_told_before_anybody_is_asked(place):
    said = say("token", "--bootstrap", "--name", os.fsdecode(b"\xff\xfe"), "--data", place / "data")
    assert (said.code, "it is not UTF-8" in said.err) == (USAGE, True)


@pytest.mark.parametrize("words", ["trail ?", "receipt ? 1", "policy ?"])
def test_the_program_itself_takes_what_is_no_text_from_a_shell(place, words):
    command: list[str] = [str(PROGRAM), *typed(words, HOSTILE["no UTF-8"])]
    said = subprocess.run(command, capture_output=True, cwd=place, timeout=240, check=False)
    assert said.returncode in set(EXIT_CODES) - {0}
    assert b"Traceback" not in said.stderr


@pytest.mark.parametrize("command", ["up", "demo", "status", "verify"])
def test_a_data_directory_that_is_a_file_or_has_no_name_is_refused(place, command):
    file = place / "file"
    file.write_text("something else")
    said = say(command, "--data", file)
    assert (said.code, "is a file, not a directory" in said.err) == (USAGE, True)
    said = say(command, "--data", "")
    assert (said.code, "an empty name" in said.err) == (USAGE, True)
    assert left_in(place) == ["file"]
    assert file.read_text() == "something else"


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_data_directory_that_cannot_be_written_is_told_before_anything_starts(place, command):
    file = place / "file"
    file.touch()
    said = say(command, "--data", file / "below")
    assert said.code == NO_ANSWER
    assert said.err.startswith(f"chaoyangli: data directory {file / 'below'}: it cannot be written (Not a directory)")
    assert len(said.err.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_closed_place_cannot_hold_a_data_directory():
    said = say("up", "--data", "/proc/nothing")
    assert said.code == NO_ANSWER
    assert "it cannot be written" in said.err


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_directory_that_holds_something_else_is_refused_before_anything_is_written(place, command):
    (place / "thesis.txt").write_text("years of work")
    said = say(command, "--data", place)
    assert said.code == TAKEN
    assert f"{place} holds other things (thesis.txt) and no community: nothing was written there" in said.err
    assert left_in(place) == ["thesis.txt"]


def test_a_file_called_mode_that_we_did_not_write_makes_no_directory_ours(place):
    (place / "mode").write_text("0755")
    said = say("up", "--data", place)
    assert said.code == TAKEN
    assert "it says neither real nor demo" in said.err
    assert left_in(place) == ["mode"]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_directory_has_one_owner_at_a_time(place, command):
    lock = DirectoryLock(place)
    lock.take()
    said = say(command, "--data", place)
    assert said.code == TAKEN
    assert f"{place} is running already" in said.err
    lock.free()


def test_a_system_that_is_just_being_started_is_not_started_again_for_a_command(place):
    (place / "mode").write_text("real\n")
    lock = DirectoryLock(place)
    lock.take()
    said = say("verify", "--data", place)
    assert said.code == TAKEN
    assert "being started or stopped just now" in said.err
    lock.free()


def test_help_says_what_every_exit_code_means():
    said = say("--help")
    assert said.code == 0
    words = " ".join(said.out.decode().split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in words


def test_a_real_community_is_never_made_a_demo(place):
    (place / "mode").write_text("real\n")
    said = say("demo", "--data", place, "--once")
    assert said.code == TAKEN
    assert "holds a real community" in said.err
    assert left_in(place) == ["mode"]


def test_the_days_of_another_scale_are_not_taken_up(place):
    (place / "mode").write_text("demo\n")
    (place / "demo.journal").write_text('{"plan": {"scale": "full", "midnight": "2026-10-01T00:00:00+08:00"}}\n')
    said = say("demo", "--data", place, "--once")
    assert said.code == TAKEN
    assert "the days that were begun here are others" in said.err
    assert "'scale': 'full'" in said.err
    assert left_in(place) == ["demo.journal", "mode"]


def test_a_spoilt_journal_of_the_days_is_named(place):
    (place / "mode").write_text("demo\n")
    (place / "demo.journal").write_text("what is this\n")
    said = say("demo", "--data", place, "--once")
    assert said.code == TAKEN
    assert f"{place / 'demo.journal'}: not what was written there" in said.err
    assert left_in(place) == ["demo.journal", "mode"]


def test_days_that_are_left_are_over_and_said_to_have_been_left(place):
    assert not leave_days(place), "there were none"
    journal_file(place).write_text("steps\n")
    assert days_lived(place) is None
    assert leave_days(place)
    assert days_lived(place) == LEFT
    assert left_in(place) == ["demo"]


def test_a_spoilt_note_of_where_everything_runs_is_named(place):
    (place / "mode").write_text("real\n")
    (place / "stack.json").write_text("{")
    said = say("status", "--data", place)
    assert said.code == NOT_THERE
    assert f"{place / 'stack.json'} is not what it was written as" in said.err


def test_a_note_left_by_a_process_that_is_gone_means_that_nothing_runs(place):
    (place / "mode").write_text("real\n")
    gone = '{"mode": "real", "pid": 4194303, "urls": {}, "postgres_port": 1, "nats_url": "nats://127.0.0.1:1"}'
    (place / "stack.json").write_text(gone)
    said = say("status", "--data", place)
    assert said.code == NOT_THERE
    assert "nothing runs here; start it with" in said.err


def test_a_health_check_says_whether_somebody_answers():
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        said = say("healthcheck", f"http://{HOST}:{nobody.getsockname()[1]}/readyz")
    assert said.code == 1
    assert "/readyz" in said.err

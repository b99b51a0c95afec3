"""A signer whose file is lost gets a head back, from a file, a bundle or a witness; never one that it must not have."""

import shutil
from pathlib import Path

import pytest

from eventstore.checkpoint import Checkpoint, load_key_file
from eventstore.note import format_note, sign
from tests.cli.places import lived, size_in
from tests.cli.program import say
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]
"""The first test's fixture starts a system twice, with a witness."""
OK, CHECK_FAILED, USAGE, NOT_THERE = 0, 1, 2, 3
SERVICE = "volunteers"


@pytest.fixture(scope="module")
def world():
    with temporary_directory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAOYANGLI_PUBLISH_SECONDS", "1")
        with lived(place) as found:
            yield found


@pytest.fixture
def lost(world):
    """The volunteers' head is lost; it is put back afterwards. Gives what it was."""
    head = world.head(SERVICE)
    text = head.read_bytes()
    head.unlink()
    yield text
    head.write_bytes(text)


def signed(world, origin: str, size: int, root: bytes, key: Path | None = None) -> str:
    """A head as the log's own key (or another) signs it."""
    body = Checkpoint(origin, size, root).body()
    pem = load_key_file(key or world.data / "secrets" / f"{SERVICE}.signing_key")
    return format_note(body, [sign(body, origin, pem)])


def test_show_names_what_every_log_needs(world, lost):
    said = say("checkpoint", "show", "--data", world.data, "--json")
    assert said.code == CHECK_FAILED
    logs = {one["log"]: one for one in said.document["logs"]}
    assert not logs["chaoyangli/volunteers"]["ok"]
    assert "checkpoint adopt volunteers" in logs["chaoyangli/volunteers"]["todo"]
    assert all(one["ok"] for name, one in logs.items() if name != "chaoyangli/volunteers")
    world.head(SERVICE).write_bytes(lost)
    said = say("checkpoint", "show", "--data", world.data, "--service", SERVICE)
    assert said.code == OK
    assert f"signed {size_in(lost)}" in said.out.decode()


def test_a_lost_head_comes_back_from_a_file_a_bundle_a_zip_and_a_witness(world, lost):
    kept = world.data.with_name("kept")
    kept.write_bytes(lost)
    archive = shutil.make_archive(str(world.data.with_name("taken")), "zip", world.bundle.parent, world.bundle.name)
    for words in (
        ("--from-file", kept),
        ("--from-bundle", world.bundle),
        ("--from-bundle", archive),
        ("--from-witness", world.witness_url),
    ):
        world.head(SERVICE).unlink(missing_ok=True)
        said = say("checkpoint", "adopt", SERVICE, *words, "--data", world.data, "--json")
        assert said.code == OK, said
        assert said.document["size"] == size_in(lost)
        assert said.document["cosigned"] == ([] if words[0] == "--from-file" else ["w1"])
        assert not said.document["recover"]
        assert world.head(SERVICE).read_bytes() == lost
    assert say("verify", "--data", world.data, "--service", SERVICE).code == OK


def test_a_head_that_is_not_of_this_log_is_refused(world, lost):
    head, size = world.head(SERVICE), size_in(lost)
    file = world.data.with_name("another")
    origin = f"chaoyangli/{SERVICE}"
    other_key = world.data / "secrets" / "orders.signing_key"
    for text, why in (
        (signed(world, origin, size, bytes(32)), "do not hash to it"),
        (signed(world, origin, size, bytes(32), other_key), "is no signed head"),
        (signed(world, "chaoyangli/orders", size, bytes(32)), "is no signed head"),
        (signed(world, origin, size + 7, bytes(32)), f"events {size + 1} to {size + 7} are missing"),
        (lost.decode().replace(f"\n{size}\n", f"\n{size + 1}\n"), "is no signed head"),
        ("nonsense\n", "is no signed head"),
    ):
        file.write_text(text)
        said = say("checkpoint", "adopt", SERVICE, "--from-file", file, "--data", world.data)
        assert said.code == CHECK_FAILED, said
        assert why in said.err
        assert not head.exists()


def test_a_smaller_head_than_the_one_in_the_file_is_refused(world, lost):
    head, file = world.head(SERVICE), world.data.with_name("smaller")
    file.write_bytes(lost)
    world.head(SERVICE).write_text(signed(world, f"chaoyangli/{SERVICE}", size_in(lost) + 1, bytes(32)))
    before = head.read_bytes()
    said = say("checkpoint", "adopt", SERVICE, "--from-file", file, "--data", world.data)
    assert said.code == CHECK_FAILED
    assert "must not be older" in said.err
    assert head.read_bytes() == before


def test_a_head_ahead_of_the_log_is_taken_when_that_is_said(world, lost):
    file, size = world.data.with_name("ahead"), size_in(lost) + 7
    file.write_text(signed(world, f"chaoyangli/{SERVICE}", size, bytes(32)))
    said = say("checkpoint", "adopt", SERVICE, "--from-file", file, "--ahead", "--data", world.data)
    assert said.code == OK
    assert "chaoyangli recover volunteers" in said.out.decode()
    assert size_in(world.head(SERVICE)) == size
    shown = say("checkpoint", "show", "--data", world.data, "--service", SERVICE)
    assert shown.code == CHECK_FAILED
    assert "run `chaoyangli recover volunteers`" in shown.out.decode()


def test_words_that_are_off_and_sources_that_are_not_there(world, lost):
    file = world.data.with_name("kept")
    file.write_bytes(lost)
    adopt = ("checkpoint", "adopt")
    assert say(*adopt, SERVICE, "--data", world.data).code == USAGE
    assert say(*adopt, SERVICE, "--from-file", file, "--from-witness", "http://x", "--data", world.data).code == USAGE
    assert say(*adopt, "shop", "--from-file", file, "--data", world.data).code == USAGE
    assert say(*adopt, SERVICE, "--from-file", file, "--data", world.data / "nowhere").code == NOT_THERE
    nobody = say(*adopt, SERVICE, "--from-witness", "http://127.0.0.1:9", "--data", world.data)
    assert nobody.code == CHECK_FAILED
    assert "does not answer" in nobody.err
    no_bundle = say(*adopt, SERVICE, "--from-bundle", file, "--data", world.data)
    assert no_bundle.code == CHECK_FAILED
    assert "neither a directory nor a ZIP" in no_bundle.err
    assert not world.head(SERVICE).exists()

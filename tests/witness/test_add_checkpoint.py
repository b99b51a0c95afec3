"""add-checkpoint, each status code of C2SP tlog-witness for its reason, and what must be on disk before an answer."""

import shutil
from base64 import b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from eventstore.note import format_note, open_note, sign
from tests.witness.logs import InventedLog
from witness.app import BODY_BYTES_MAX, build
from witness.directory import WitnessDirectory, WitnessDirectoryError


@pytest.fixture
def client(directory):
    return TestClient(build(directory))


def add(client, body):
    return client.post("/add-checkpoint", content=body)


def witnessed(client, log):
    """The last head that the witness gives out."""
    return client.get(f"/{sha256(log.origin.encode()).hexdigest()}/checkpoint")


def test_heads_that_extend_one_another_are_cosigned_and_kept(client, log, directory):
    for old, new in ((0, 1), (1, 7), (7, 7), (7, 8), (8, 200)):
        answer = add(client, log.request(old, new))
        assert answer.status_code == 200, answer.text
        opened = open_note(log.head(new) + answer.text, [log.vkey, directory.verifier_key])
        assert {one.key for one in opened.verified} == {log.vkey, directory.verifier_key}
        assert answer.text.startswith("— witness.example/w1 ")
        assert answer.text.endswith("\n")
        kept = open_note(witnessed(client, log).text, [log.vkey, directory.verifier_key])
        assert (kept.text, len(kept.verified)) == (log.body(new), 2)


def test_a_witness_that_starts_again_knows_where_it_was(client, log, directory):
    assert add(client, log.request(0, 100)).status_code == 200
    again = TestClient(build(WitnessDirectory(directory.path)))
    stale = add(again, log.request(0, 120))
    assert (stale.status_code, stale.text) == (409, "100\n")
    assert add(again, log.request(100, 120)).status_code == 200


def test_a_size_that_was_not_cosigned_last_is_answered_with_the_one_that_was(client, log):
    never = add(client, log.request(3, 10))
    assert (never.status_code, never.text, never.headers["content-type"]) == (409, "0\n", "text/x.tlog.size")
    assert add(client, log.request(0, 10)).status_code == 200
    for old in (0, 9, 11):
        answer = add(client, log.request(old, 20))
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (409, "10\n", "text/x.tlog.size")


def test_another_history_is_never_cosigned(client, log):
    assert add(client, log.request(0, 100)).status_code == 200
    before = witnessed(client, log).text
    fork = InventedLog("another", forks_at=60)
    assert add(client, fork.request(100, 120)).status_code == 422
    same_size = add(client, fork.request(100, 100, proof=[]))
    assert (same_size.status_code, same_size.text) == (409, "100\n")
    assert add(client, fork.request(0, 100)).status_code == 409
    assert witnessed(client, log).text == before


def test_a_proof_that_does_not_prove_is_refused(client, log):
    assert add(client, log.request(0, 7)).status_code == 200
    good = log.tree.proof(7, 20)
    wrong = [
        [],
        good[:-1],
        [*good, bytes(32)],
        good[::-1],
        [bytes(32), *good[1:]],
        log.tree.proof(6, 20),
    ]
    for proof in wrong:
        assert add(client, log.request(7, 20, proof=proof)).status_code == 422
    assert add(client, log.request(7, 7, proof=[bytes(32)])).status_code == 422
    assert add(client, log.request(7, 20)).status_code == 200


def test_the_first_head_takes_no_proof(client, log):
    assert add(client, log.request(0, 20, proof=[bytes(32)])).status_code == 422
    assert add(client, log.request(0, 20)).status_code == 200


def test_an_empty_log_has_one_root(client, log):
    body = f"{log.origin}\n0\n{b64encode(bytes(32)).decode()}\n"
    wrong = format_note(body, [sign(body, log.origin, log.key)])
    assert add(client, log.request(0, 0, head=wrong)).status_code == 422
    assert add(client, log.request(0, 0)).status_code == 200


def test_an_old_size_above_the_heads_is_no_request(client, log):
    assert add(client, log.request(0, 20)).status_code == 200
    assert add(client, log.request(20, 10, proof=[])).status_code == 400


def test_logs_and_keys_that_are_not_on_the_list(client, log, directory):
    stranger = InventedLog(origin="elsewhere.example/log")
    assert add(client, stranger.request(0, 10)).status_code == 404
    forger = InventedLog(key=Ed25519PrivateKey.generate())
    assert add(client, forger.request(0, 10)).status_code == 403
    # One good signature beside a stranger's is enough; a broken one under the log's own key is not ignored.
    both = log.head(10) + sign(log.body(10), log.origin, forger.key).line()
    damaged = log.head(10).replace("\n10\n", "\n11\n")
    assert add(client, log.request(0, 11, head=damaged)).status_code == 403
    assert add(client, log.request(0, 10, head=both)).status_code == 200


def test_a_log_is_known_from_the_request_after_it_was_added(client, directory):
    other = InventedLog(origin="other.example/log", key=Ed25519PrivateKey.generate())
    assert add(client, other.request(0, 5)).status_code == 404
    assert directory.trust(other.vkey)
    assert not directory.trust(other.vkey)
    assert add(client, other.request(0, 5)).status_code == 200
    assert "other.example/log: 5 events" in client.get("/").text


def test_a_new_key_of_a_log_is_taken_beside_the_old_one(client, log, directory):
    assert add(client, log.request(0, 5)).status_code == 200
    rotated = InventedLog(key=Ed25519PrivateKey.generate())
    assert add(client, rotated.request(5, 9)).status_code == 403
    directory.trust(rotated.vkey)
    assert add(client, rotated.request(5, 9)).status_code == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: b"\x00\xff",
        lambda body: body.replace(b"old ", b"new "),
        lambda body: body.replace(b"old 7", b"old 07"),
        lambda body: body.replace(b"old 7", b"old -1"),
        lambda body: body.replace(b"old 7", b"old 7 "),
        lambda body: body.replace(b"old 7", b"old 99999999999999999999"),
        lambda body: body.replace(b"\n\n", b"\n", 1),
        lambda body: body.replace(b"\n", b"\n!!\n", 1),
        lambda body: body.replace(b"\n", b"\nAAAA\n", 1),
        lambda body: body.replace(b"\n", b"\n" + b64encode(bytes(32)) * 2 + b"\n", 1),
        lambda body: body.replace(b"\n", b"\n" + (b64encode(bytes(32)) + b"\n") * 64, 1),
        lambda body: body[:-1],
        lambda body: body.replace("—".encode(), b"-"),
    ],
)
def test_what_is_no_request_is_told_so(client, log, spoil):
    assert add(client, log.request(0, 7)).status_code == 200
    assert add(client, spoil(log.request(7, 20))).status_code == 400
    assert add(client, log.request(7, 20)).status_code == 200


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=st.binary(max_size=300))
def test_no_bytes_make_it_fail_or_sign(client, log, body):
    assert add(client, body).status_code in {400, 403, 404, 409, 422}
    assert witnessed(client, log).status_code == 404


def test_a_body_without_end_is_not_read_to_its_end(client):
    assert add(client, b"old 0\n" + b"A" * BODY_BYTES_MAX).status_code == 413


def test_nothing_is_signed_that_cannot_be_kept(client, log, directory):
    heads = directory.path / "heads"
    shutil.move(heads, directory.path / "lost")
    assert add(client, log.request(0, 7)).status_code == 503
    with pytest.raises(WitnessDirectoryError, match="heads missing"):
        WitnessDirectory(directory.path)
    (directory.path / "lost").rename(heads)
    assert add(client, log.request(0, 7)).status_code == 200


def test_a_list_that_is_off_stops_the_signing_and_not_the_program(client, log, directory):
    listed = (directory.path / "logs").read_text()
    (directory.path / "logs").write_text(listed + "log nonsense\n")
    assert add(client, log.request(0, 7)).status_code == 503
    assert client.get("/").status_code == 503
    assert client.get("/livez").status_code == 200
    (directory.path / "logs").write_text(listed)
    assert add(client, log.request(0, 7)).status_code == 200


def test_a_directory_is_made_once(directory, tmp_path):
    with pytest.raises(WitnessDirectoryError, match="is not empty"):
        WitnessDirectory.create(directory.path, "another")
    with pytest.raises(ValueError, match="key name"):
        WitnessDirectory.create(tmp_path / "new", "with a space")
    assert not (tmp_path / "new").exists()
    assert (directory.path / "key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("path", ["/../key/checkpoint", "/logs/checkpoint", "/%2e%2e%2fkey/checkpoint", "/" + "0" * 64])
def test_nothing_else_of_the_directory_is_given_out(client, path):
    assert client.get(path).status_code == 404

"""Code that we did not write accepts our heads, receipts and proofs, and refuses what was tampered with: the Go
project's sumdb packages, and WebCrypto in JavaScript."""

import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.go import built

PAGES = Path(__file__).parents[2] / "services" / "ledger" / "pages"
SIZES = (1, 2, 3, 64, 127, 128, 129, 200)
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    """The Go program of the examples, built without any network."""
    return built(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def node():
    """The JavaScript of the examples, in Node."""
    if shutil.which("node") is None:
        pytest.skip("needs Node 20")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < 20:
        pytest.skip(f"needs Node 20, this is {version.strip()}")

    def run(_what, vkey, *files):
        command = ["node", "--no-warnings", PAGES / "check-receipt.mjs", vkey, *files]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    return run


@pytest.fixture(params=["go", "node"])
def program(request):
    return request.getfixturevalue(request.param)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", SIZES)
def test_every_kind_of_position_is_accepted(program, issued, files, size):
    for position in sorted({1, size // 2 + 1, size}):
        said = program("inclusion", str(issued.vkey), *files(issued.receipt(position, size), issued.entry(position)))
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout == f"event {position} is in the log of {size}\n"


@pytest.mark.timeout(300)
def test_a_head_with_cosignatures_and_a_receipt_with_extra_data_are_accepted(program, issued, files):
    head = issued.witnessed_head(200, "witness.example/w1", WITNESS)
    receipt = str(issued.receipt(77, 200, head=head)).replace("\nindex", "\nextra c2FsdA==\nindex", 1)
    said = program("inclusion", str(issued.vkey), *files(receipt, issued.entry(77)))
    assert said.returncode == 0, said.stderr


@pytest.mark.timeout(300)
def test_what_was_tampered_with_is_refused(program, issued, files):
    receipt, entry = issued.receipt(77, 200), issued.entry(77)
    text = str(receipt)
    stranger = type(issued)(type(issued.log)(key=Ed25519PrivateKey.generate()))
    spoiled = [
        (text, entry + b"\x00"),
        (text, bytes([entry[0] ^ 1]) + entry[1:]),
        (text.replace("index 76", "index 77"), entry),
        (text.replace("\n200\n", "\n199\n"), entry),
        (text.replace(b64encode(receipt.hashes[0]).decode() + "\n", ""), entry),
        (text.replace(b64encode(receipt.hashes[0]).decode(), b64encode(bytes(32)).decode()), entry),
        (str(stranger.receipt(77, 200)), entry),
    ]
    for spoiled_text, spoiled_entry in spoiled:
        said = program("inclusion", str(issued.vkey), *files(spoiled_text, spoiled_entry))
        assert said.returncode == 1, spoiled_text
        assert said.stderr


@pytest.mark.timeout(300)
def test_go_accepts_that_one_head_extends_another_and_refuses_a_fork(go, issued, tmp_path):
    def compare(old_head, new_head, proof):
        (tmp_path / "old").write_text(old_head)
        (tmp_path / "new").write_text(new_head)
        (tmp_path / "proof").write_text("".join(f"{b64encode(each).decode()}\n" for each in proof))
        return go("consistency", str(issued.vkey), *(str(tmp_path / name) for name in ("old", "new", "proof")))

    log = issued.log
    for old, new in ((1, 2), (1, 200), (64, 65), (100, 200), (128, 200), (199, 200)):
        said = compare(log.head(old), log.head(new), issued.consistency(old, new))
        assert (said.returncode, said.stdout) == (0, f"the log of {new} extends that of {old}\n"), said.stderr
    fork = type(log)("another", forks_at=60)
    assert compare(log.head(100), fork.head(200), type(issued)(fork).consistency(100, 200)).returncode == 1
    assert compare(log.head(100), log.head(200), issued.consistency(100, 200)[:-1]).returncode == 1

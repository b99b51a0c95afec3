"""`chaoyangli key`: a key is made once, kept private, and signs only what this system asks people to sign."""

import stat

import pytest

from cli.signing import KeyUnreadable, SigningKey
from services.ledger.signatures import is_signed, key_id_of, registration_text
from tests.cli.program import say
from tests.ledger.examples import ANNA

TEXT = registration_text("chaoyangli", "A" * 43 + "=", ANNA)


def test_a_key_is_made_shown_and_signs_what_the_ledger_accepts(tmp_path):
    file, text = tmp_path / "my.key", tmp_path / "text"
    text.write_bytes(TEXT)
    made = say("key", "new", file, "--json").document
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made["key_id"] == key_id_of(made["public_key"])
    assert say("key", "show", file, "--json").document == made
    signed = say("key", "sign", file, text, "--json").document
    assert is_signed(made["public_key"], TEXT, signed["sig"])


def test_a_key_is_never_written_over(tmp_path):
    file = tmp_path / "my.key"
    say("key", "new", file)
    before = file.read_bytes()
    said = say("key", "new", file)
    assert said.code == 2
    assert "exists already" in said.err
    assert file.read_bytes() == before


@pytest.mark.parametrize("text", [b"", b"pay me\n", b"chaoyangli/aid-approval/v2\n", TEXT + b"x" * 10_000])
def test_it_signs_nothing_else(tmp_path, text):
    file, other = tmp_path / "my.key", tmp_path / "text"
    other.write_bytes(text)
    say("key", "new", file)
    said = say("key", "sign", file, other)
    assert said.code == 2
    assert "no text that a key is asked to sign" in said.err


def test_a_passphrase_keeps_it(tmp_path):
    file = tmp_path / "my.key"
    made = SigningKey.create(file, "开门")
    assert SigningKey.load(file, "开门").key_id == made.key_id
    for wrong in (None, "芝麻"):
        with pytest.raises(KeyUnreadable):
            SigningKey.load(file, wrong)


def test_what_is_no_key_is_said_to_be_none(tmp_path):
    file = tmp_path / "my.key"
    file.write_text("not a key")
    for path in (file, tmp_path / "nowhere"):
        said = say("key", "show", path)
        assert said.code == 2
        assert str(path)[-8:] in said.err or "no key" in said.err

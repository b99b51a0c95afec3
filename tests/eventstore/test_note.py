"""Signed notes: what is written is read back, what is no note is refused, no signature is believed unchecked."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from eventstore.note import (
    COSIGNATURE_V1,
    BadSignature,
    NoteError,
    Signature,
    UnverifiedNote,
    VerifierKey,
    cosign,
    decode_base64,
    format_note,
    open_note,
    parse_note,
    sign,
)

VECTOR = json.loads((Path(__file__).parent / "vectors" / "checkpoint.json").read_text(encoding="utf-8"))
LOG_NAME, WITNESS_NAME = "ledger.chaoyangli.example/fund", "witness.street.example/w1"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
LOG_KEY = VerifierKey.of(LOG_NAME, LOG)
WITNESS_KEY = VerifierKey.of(WITNESS_NAME, WITNESS, COSIGNATURE_V1)

TEXT = "朝阳里\n\n第二段\n"
SIGNED = sign(TEXT, LOG_NAME, LOG)
NOTE = format_note(TEXT, [SIGNED])
LINE = SIGNED.line()

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.just("\n")).map(lambda t: t + "\n")


def altered(signature: Signature, at: int = 0) -> Signature:
    payload = bytearray(signature.payload)
    payload[at] ^= 1
    return Signature(signature.name, signature.key_id, bytes(payload))


def test_the_published_key_has_its_published_id():
    # The example key of the Go implementation's documentation.
    vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    key = VerifierKey.parse(vkey)
    assert (key.name, key.key_id.hex(), str(key)) == ("example.com/foo", "530d903a", vkey)


def test_the_recorded_note_still_verifies():
    assert str(LOG_KEY) == VECTOR["log_vkey"]
    assert str(WITNESS_KEY) == VECTOR["witness_vkey"]
    opened = open_note(VECTOR["checkpoint"], [LOG_KEY, WITNESS_KEY])
    assert [verified.key for verified in opened.verified] == [LOG_KEY, WITNESS_KEY]
    assert [verified.timestamp for verified in opened.verified] == [None, VECTOR["witness_timestamp"]]


def test_signing_gives_the_known_answer():
    body = parse_note(VECTOR["checkpoint"]).text
    signatures = [sign(body, LOG_NAME, LOG), cosign(body, WITNESS_NAME, WITNESS, VECTOR["witness_timestamp"])]
    assert format_note(body, signatures) == VECTOR["checkpoint"]


def test_signatures_are_made_over_the_bytes_that_the_specifications_name():
    cosigned = cosign(TEXT, WITNESS_NAME, WITNESS, 1_790_000_000)
    name, encoded = LINE.removeprefix("\u2014 ").removesuffix("\n").split(" ")
    raw = base64.b64decode(encoded)
    typed_key = b"\x01" + LOG.public_key().public_bytes_raw()
    assert name == LOG_NAME
    assert raw[:4] == sha256(LOG_NAME.encode() + b"\n" + typed_key).digest()[:4]
    LOG.public_key().verify(raw[4:], TEXT.encode())
    assert cosigned.payload[:8] == (1_790_000_000).to_bytes(8, "big")
    message = b"cosignature/v1\ntime 1790000000\n" + TEXT.encode()
    WITNESS.public_key().verify(cosigned.payload[8:], message)


@given(texts)
def test_any_text_is_signed_and_read_back(text):
    note = format_note(text, [sign(text, LOG_NAME, LOG), cosign(text, WITNESS_NAME, WITNESS, 7)])
    for message in (note, note.encode()):
        opened = open_note(message, [LOG_KEY, WITNESS_KEY])
        assert opened.text == text
        assert len(opened.verified) == 2
        assert opened.unknown == ()


def test_text_and_signatures_part_at_the_last_blank_line():
    assert parse_note(NOTE).text == TEXT
    fake = f"first\n\n{LINE}second\n"
    opened = open_note(format_note(fake, [sign(fake, LOG_NAME, LOG)]), [LOG_KEY])
    assert opened.text == fake
    assert len(opened.verified) == 1


def test_unknown_signatures_are_ignored():
    stranger = Ed25519PrivateKey.generate()
    same_name = sign(TEXT, LOG_NAME, stranger)
    same_id = Signature("other.example", SIGNED.key_id, altered(SIGNED).payload)
    post_quantum = Signature(LOG_NAME, b"\x06abc", bytes(2420))
    opened = open_note(format_note(TEXT, [same_name, same_id, SIGNED, post_quantum]), [LOG_KEY])
    assert [verified.signature for verified in opened.verified] == [SIGNED]
    assert opened.unknown == (same_name, same_id, post_quantum)


def test_a_note_that_no_known_key_signed_is_refused():
    with pytest.raises(UnverifiedNote, match=r"signed by: ledger\.chaoyangli\.example/fund"):
        open_note(NOTE, [WITNESS_KEY])
    with pytest.raises(UnverifiedNote):
        open_note(NOTE, [])


@pytest.mark.parametrize("at", [0, 31, 32, 63])
def test_a_known_signature_that_fails_refuses_the_whole_note(at):
    good = cosign(TEXT, WITNESS_NAME, WITNESS, 7)
    for signatures in ([altered(SIGNED, at)], [good, altered(SIGNED, at)], [SIGNED, altered(SIGNED, at)]):
        with pytest.raises(BadSignature):
            open_note(format_note(TEXT, signatures), [LOG_KEY, WITNESS_KEY])


@pytest.mark.parametrize("length", [1, 63, 65])
def test_a_known_signature_of_another_length_refuses_the_note(length):
    wrong = Signature(LOG_NAME, SIGNED.key_id, (SIGNED.payload + b"x")[:length])
    with pytest.raises(BadSignature, match=f"{length} bytes, expected 64"):
        open_note(format_note(TEXT, [wrong]), [LOG_KEY])


def test_a_changed_text_refuses_the_note():
    with pytest.raises(BadSignature):
        open_note(NOTE.replace("第二段", "第三段"), [LOG_KEY])


def test_a_cosignature_covers_its_time():
    cosigned = cosign(TEXT, WITNESS_NAME, WITNESS, 1_790_000_000)
    open_note(format_note(TEXT, [cosigned]), [WITNESS_KEY])
    for at in (0, 7, 8, 71):
        with pytest.raises(BadSignature):
            open_note(format_note(TEXT, [altered(cosigned, at)]), [WITNESS_KEY])
    short = Signature(cosigned.name, cosigned.key_id, cosigned.payload[:5])
    with pytest.raises(BadSignature):
        open_note(format_note(TEXT, [short]), [WITNESS_KEY])
    for timestamp in (0, -1, 1 << 63):
        with pytest.raises(NoteError, match="cosignature time"):
            cosign(TEXT, WITNESS_NAME, WITNESS, timestamp)


def test_a_cosignature_is_no_plain_signature_and_the_other_way_round():
    as_plain = Signature(WITNESS_NAME, WITNESS_KEY.key_id, WITNESS.sign(TEXT.encode()))
    with pytest.raises(BadSignature):
        open_note(format_note(TEXT, [as_plain]), [WITNESS_KEY])
    assert VerifierKey.of(WITNESS_NAME, WITNESS).key_id != WITNESS_KEY.key_id


def test_a_repeated_line_counts_once():
    assert len(open_note(format_note(TEXT, [SIGNED, SIGNED]), [LOG_KEY]).verified) == 1


def test_sixteen_signatures_and_more_are_read_but_not_any_number():
    strangers = [sign(TEXT, f"key{number}.example", WITNESS) for number in range(99)]
    assert len(open_note(format_note(TEXT, [SIGNED, *strangers[:15]]), [LOG_KEY]).unknown) == 15
    assert len(open_note(format_note(TEXT, [*strangers, SIGNED]), [LOG_KEY]).unknown) == 99
    with pytest.raises(NoteError, match="signatures, not 101"):
        format_note(TEXT, [*strangers, SIGNED, SIGNED])
    with pytest.raises(NoteError, match="101 signatures"):
        parse_note(format_note(TEXT, [*strangers, SIGNED]) + LINE)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        TEXT + "\n\n",
        "\n" + LINE,
        TEXT + LINE,
        NOTE[:-1],
        NOTE + "\n",
        NOTE + "more\n",
        NOTE + "\n" + "more\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("朝", "\t"),
        NOTE.replace("朝", "\x00"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", " — "),
        NOTE.replace(LOG_NAME, ""),
        NOTE.replace(LOG_NAME, "a+b"),
        NOTE.replace(LOG_NAME, "two words"),
        NOTE.replace(LOG_NAME, "no-break\u00a0space"),
        NOTE.replace(LOG_NAME, "wide\u3000space"),
        NOTE.replace(LOG_NAME, "bell\x07"),
        NOTE[:-1] + " \n",
        NOTE[:-3] + "\n",
        NOTE[:-1] + "=\n",
        TEXT + f"\n— {LOG_NAME}\n",
        TEXT + f"\n— {LOG_NAME} \n",
        TEXT + f"\n— {LOG_NAME} {base64.b64encode(b'1234').decode()}\n",
        TEXT + f"\n— {LOG_NAME} {LINE.split()[2].replace('+', '-').replace('/', '_')}!\n",
        NOTE.encode().replace("朝".encode(), b"\xff"),
        NOTE.encode().replace("朝".encode(), b"\xed\xa0\x80"),
        NOTE.replace("朝", "\ud800"),
    ],
)
def test_a_malformed_note_is_refused(message):
    with pytest.raises(NoteError) as refusal:
        open_note(message, [LOG_KEY])
    assert refusal.type in (NoteError, BadSignature)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_noise_is_refused_and_nothing_worse_happens(noise):
    with pytest.raises(NoteError):
        open_note(noise, [LOG_KEY])
    mixed = noise if isinstance(noise, bytes) else noise.encode(errors="surrogatepass")
    with pytest.raises(NoteError):
        open_note(NOTE.encode() + mixed + b".", [LOG_KEY])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n", "\ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text):
    with pytest.raises(NoteError):
        sign(text, LOG_NAME, LOG)
    with pytest.raises(NoteError):
        cosign(text, WITNESS_NAME, WITNESS, 7)
    with pytest.raises(NoteError):
        format_note(text, [SIGNED])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "\ud800"])
def test_a_name_that_no_note_can_hold_is_refused(name):
    with pytest.raises(NoteError):
        sign(TEXT, name, LOG)
    with pytest.raises(NoteError):
        Signature(name, SIGNED.key_id, SIGNED.payload).line()


def test_a_note_of_more_than_a_million_bytes_is_not_read():
    text = "x" * 1_000_000 + "\n"
    with pytest.raises(NoteError, match="at most 1000000"):
        open_note(format_note(text, [sign(text, LOG_NAME, LOG)]), [LOG_KEY])


def test_two_keys_that_cannot_be_told_apart_are_refused():
    # Found by counting: these two share the name and the four bytes of key id.
    first, second = (VerifierKey("collision.example", 1, number.to_bytes(32, "big")) for number in (86574, 89301))
    assert first.key_id == second.key_id
    with pytest.raises(NoteError, match=f"two different keys share the name and id {first.name}"):
        open_note(NOTE, [first, LOG_KEY, second])
    open_note(NOTE, [first, LOG_KEY, LOG_KEY])


def test_a_note_needs_a_signature():
    with pytest.raises(NoteError, match="signatures, not 0"):
        format_note(TEXT, [])
    with pytest.raises(NoteError, match="payload"):
        format_note(TEXT, [Signature(LOG_NAME, b"1234", b"")])


def test_no_part_of_a_verifier_key_passes_for_one():
    vkey = str(LOG_KEY)
    assert VerifierKey.parse(vkey) == LOG_KEY
    for begin in range(len(vkey)):
        for end in range(begin, len(vkey) + 1):
            if (begin, end) != (0, len(vkey)):
                with pytest.raises(NoteError):
                    VerifierKey.parse(vkey[begin:end])
    for at in range(len(vkey)):
        with pytest.raises(NoteError):
            VerifierKey.parse(vkey[:at] + chr(ord(vkey[at]) + 1) + vkey[at + 1 :])


def test_a_key_of_another_type_or_length_is_refused():
    with pytest.raises(NoteError, match="type 0x06 is not supported"):
        VerifierKey(LOG_NAME, 6, bytes(32))
    with pytest.raises(NoteError, match="31 bytes, expected 32"):
        VerifierKey(LOG_NAME, 1, bytes(31))
    with pytest.raises(NoteError, match="is empty"):
        VerifierKey.parse("name+00000000+")


@pytest.mark.parametrize("encoded", ["QQ", "QQ=", "QR==", "QQ==\n", "Q Q=", "_-8=", "QQ===", "ＱＱ=="])
def test_only_the_canonical_base64_is_read(encoded):
    assert decode_base64("QQ==", "it") == b"A"
    with pytest.raises(NoteError, match="it: not"):
        decode_base64(encoded, "it")

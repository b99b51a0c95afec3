"""Where nothing is sent: addresses that are not on the public internet, whatever name leads there."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.notify.senders import addresses
from services.notify.senders.posting import Keys, Poster, new_secret
from tests.notify.receiver import receiving, status

NAME = "hooks.example.org"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "64:ff9b::808:808",
        "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1",
        "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_none(address: str) -> None:
    assert not addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "100.128.0.1", "2400:3200::1", "2606:4700:4700::1111"])
def test_an_address_that_is_public_is_one(address: str) -> None:
    assert addresses.is_public(ipaddress.ip_address(address))


async def test_a_name_or_a_spelling_that_leads_home_gets_nothing() -> None:
    """The port is open and somebody would answer: that nothing arrives is the address's doing."""
    async with receiving() as receiver:
        poster = Poster(private=False)
        for host in ("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]"):
            url = f"https://{host}:{receiver.port}/"
            outcome = await poster.post(Keys(url, (new_secret(),)), "id", b"{}")
            assert outcome.reason_code == "address_refused", host
        await poster.close()
        assert receiver.sent == []
        open_poster = Poster(private=True)
        outcome = await open_poster.post(Keys(receiver.url(), (new_secret(),)), "id", b"{}")
        await open_poster.close()
        assert outcome.delivered


async def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        loop = asyncio.get_running_loop()

        async def two(_host: str, port: int, **_: object) -> list[object]:
            return [(0, 0, 0, "", ("8.8.8.8", port)), (0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", two)
        with pytest.raises(addresses.AddressRefused):
            await addresses.resolve(NAME, receiver.port, private=False)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = directory / f"{name}.pem", directory / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, secret


async def test_it_connects_to_the_address_looked_at_and_asks_for_the_names_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, secret = certificate(tmp_path, NAME)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(cert, secret)
    looked_at: list[str] = []

    async def resolved(host: str, _port: int, **_: object) -> list[str]:
        looked_at.append(host)
        return ["127.0.0.1"]

    monkeypatch.setattr(addresses, "resolve", resolved)
    async with receiving(theirs) as receiver:
        poster = Poster(private=False, tls=ssl.create_default_context(cafile=str(cert)))
        right = await poster.post(Keys(receiver.url(host=NAME), (new_secret(),)), "id", b"{}")
        wrong = await poster.post(Keys(receiver.url(host="other.example.org"), (new_secret(),)), "id", b"{}")
        await poster.close()
        assert (right.reason_code, wrong.reason_code) == ("delivered", "tls_failed")
        assert looked_at == [NAME, "other.example.org"], "a name is resolved once for each connection"
        (sent,) = receiver.sent
        assert sent.headers["host"] == f"{NAME}:{receiver.port}"
        stranger = Poster(private=False)
        unknown = await stranger.post(Keys(receiver.url(host=NAME), (new_secret(),)), "id", b"{}")
        await stranger.close()
        assert unknown.reason_code == "tls_failed"


async def test_every_way_a_post_can_go_is_told() -> None:
    async with receiving() as receiver:
        poster = Poster(private=True, seconds=0.5)
        keys = Keys(receiver.url(), (new_secret(),))

        async def never(_: object) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

        for answer, reason_code in (
            (lambda _: status(200, body=b"ok"), "delivered"),
            (lambda _: status(307, f"Location: {receiver.url('/elsewhere')}"), "redirected"),
            (lambda _: status(410), "gone"),
            (lambda _: status(404), "status_404"),
            (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 100_000, "delivered"),
            (lambda _: b"what?\r\n\r\n", "answer_unreadable"),
            (never, "timed_out"),
        ):
            receiver.answer = answer
            assert (await poster.post(keys, "id", b"{}")).reason_code == reason_code
        assert {sent.path for sent in receiver.sent} == {"/"}
        closed = Keys("http://127.0.0.1:9/", keys.secrets)
        assert (await poster.post(closed, "id", b"{}")).reason_code == "unreachable"
        await poster.close()

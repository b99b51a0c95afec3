"""`chaoyangli trust-policy`: what others need to check our logs, as a text for people and a document for programs."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.place import SERVICES
from eventstore.note import COSIGNATURE_V1, VerifierKey
from eventstore.trust_policy import read_trust_policy
from servicekit.log_keys import KeyFiles, read_log_keys
from servicekit.secrets import init_secrets
from tests.cli.program import say

WITNESS = VerifierKey.of("witness.example/1", Ed25519PrivateKey.generate(), COSIGNATURE_V1)
ADDRESS = "https://witness.example"


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    init_secrets(tmp_path / "secrets", SERVICES)
    (tmp_path / "witnesses").write_text(f"witness w {WITNESS} {ADDRESS}\ngroup g any w\nquorum g\n")
    for name, path in (("SECRETS_DIR", "secrets"), ("STATE_DIR", "state"), ("WITNESSES", "witnesses")):
        monkeypatch.setenv(f"CHAOYANGLI_{name}", str(tmp_path / path))
    return tmp_path / "secrets"


def test_the_document_says_what_the_text_says_and_no_secret(secrets):
    files = KeyFiles(secrets, "chaoyangli", "orders", 1)
    stolen = VerifierKey.of(files.origin, Ed25519PrivateKey.generate())
    files.ended.write_text(f"stolen {stolen}\n")
    text, document = say("trust-policy").out.decode(), say("trust-policy", "--json").document
    policy = read_trust_policy(text)
    assert {key: one["log"] for one in document["logs"] for key in one["keys"]} == {
        str(key): key.name for key in policy.logs
    }
    assert {one["log"]: one["stolen"] for one in document["logs"] if one["stolen"]} == {files.origin: [str(stolen)]}
    assert [str(key) for key in read_log_keys(files).good] in [one["keys"] for one in document["logs"]]
    assert document["witnesses"] == [{"witness": "w", "key": str(WITNESS), "url": ADDRESS}]
    assert document["groups"] == [{"group": "g", "threshold": 1, "members": ["w"]}]
    assert document["quorum"] == "g"
    assert set(document) == {"logs", "witnesses", "groups", "quorum"}

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from contracts.command import Role
from servicekit.tokens import RoleGrant, TokenRefused, Verifier, issue, jwks, new_issuer_key

KEY = new_issuer_key()
PERSON = UUID("0199a0c0-0000-7000-8000-000000000001")
ELDER = UUID("0199a0c0-0000-7000-8000-000000000002")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "chaoyangli-issuer",
        "sub": str(PERSON),
        "aud": "chaoyangli",
        "iat": now,
        "exp": now + 300,
        "jti": "1",
        "roles": [{"role": "RESIDENT"}],
    }
    merged = {**good, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def signed(payload: dict[str, Any], *, key: Any = KEY, **header: Any) -> str:
    merged = {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.kid, **header}
    present = {name: value for name, value in merged.items() if value is not None}
    return jwt.encode(present, payload, key, algorithms=["Ed25519", "EdDSA", "HS256", "none"])


def reason(token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        Verifier(jwks(KEY)).verify(token)
    assert not token or token[-20:] not in str(refused.value)
    return refused.value.reason_code


def test_a_token_carries_actor_roles_scopes_and_the_person_represented() -> None:
    roles: list[RoleGrant | Role | Mapping[str, str]] = [
        Role.RESIDENT,
        RoleGrant(role=Role.GRID_WORKER, scope="grid-03"),
        {"role": "DISPATCHER"},
    ]
    identity = Verifier(jwks(KEY)).verify(issue(KEY, PERSON, roles, on_behalf_of=ELDER))
    assert identity.actor_id == PERSON
    assert identity.on_behalf_of == ELDER
    assert identity.roles == (Role.RESIDENT, Role.GRID_WORKER, Role.DISPATCHER)
    assert identity.scopes(Role.GRID_WORKER) == {"grid-03"}
    assert identity.scopes(Role.DISPATCHER) == frozenset()


def test_a_token_is_made_with_every_header_that_is_checked() -> None:
    token = jwt.decode(issue(KEY, PERSON, [Role.RESIDENT]), KEY, algorithms=["Ed25519"])
    assert token.header == {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.kid}
    assert token.claims["exp"] - token.claims["iat"] == 600


@pytest.mark.parametrize("ttl_seconds", [0, 601])
def test_no_token_lives_longer_than_ten_minutes(ttl_seconds: int) -> None:
    with pytest.raises(ValueError, match="600"):
        issue(KEY, PERSON, [Role.RESIDENT], ttl_seconds=ttl_seconds)
    assert reason(signed(claims(exp=int(time.time()) + 700))) == "token_invalid"


def test_nobody_is_the_system() -> None:
    with pytest.raises(ValueError, match="SYSTEM"):
        issue(KEY, PERSON, [Role.SYSTEM])
    assert reason(signed(claims(roles=[{"role": "SYSTEM"}]))) == "token_invalid"


def test_an_expired_token_is_told_from_an_invalid_one() -> None:
    now = int(time.time())
    assert reason(signed(claims(iat=now - 400, exp=now - 100))) == "token_expired"
    assert reason(signed(claims(iat=now + 100, exp=now + 200))) == "token_invalid"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "somebody"},
        {"iss": None},
        {"sub": "not-a-person"},
        {"sub": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1e400},
        {"iat": None},
        {"iat": 1.5},
        {"jti": None},
        {"roles": None},
        {"roles": ["RESIDENT"]},
        {"roles": [{"role": "EMPEROR"}]},
        {"on_behalf_of": "grandmother"},
    ],
    ids=str,
)
def test_claims_that_are_missing_or_malformed_are_invalid(wrong: dict[str, Any]) -> None:
    assert reason(signed(claims(**wrong))) == "token_invalid"


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": "another"}], ids=str)
def test_a_header_of_another_kind_is_invalid(header: dict[str, Any]) -> None:
    assert reason(signed(claims(), **header)) == "token_invalid"


def test_forgeries_are_invalid() -> None:
    good = signed(claims())
    head, payload, signature = good.split(".")
    stranger = new_issuer_key()
    secret = OctKey.import_key(json.dumps(jwks(KEY)).encode())
    forgeries = [
        "",
        "a.b.c",
        "…",
        f"{head}.{payload}.",
        f"{head}.{signed(claims(sub=str(uuid4()))).split('.')[1]}.{signature}",
        signed(claims(), key=stranger),
        signed(claims(), key=secret, alg="HS256"),
        "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + payload + ".",
    ]
    assert {reason(forgery) for forgery in forgeries} == {"token_invalid"}


def test_a_token_that_was_good_before_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(jwks(KEY))
    token = issue(KEY, PERSON, [Role.RESIDENT], ttl_seconds=60)
    assert verifier.verify(token) == verifier.verify(token)
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token)
    assert refused.value.reason_code == "token_expired"


def test_keys_are_rotated_by_replacing_the_file(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jwks"
    path.write_text(json.dumps(jwks(KEY)))
    verifier = Verifier(path)
    token = issue(KEY, PERSON, [Role.RESIDENT])
    assert verifier.verify(token).actor_id == PERSON
    successor = new_issuer_key()
    new = tmp_path / "new"
    new.write_text(json.dumps(jwks(successor)))
    new.replace(path)
    assert verifier.verify(issue(successor, PERSON, [Role.RESIDENT])).actor_id == PERSON
    with pytest.raises(TokenRefused):
        verifier.verify(token)

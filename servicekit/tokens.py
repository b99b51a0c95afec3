"""Bearer tokens: signed by one issuer key that `init` makes; services hold only its public half, the JWKS.

A token says who acts, in which roles (each perhaps within a scope such as `grid-03`) and for whom. It never carries a
relation. Algorithm `Ed25519` (RFC 9864, which deprecates `EdDSA`), `typ`, `aud` and `kid` are required; life is at most
ten minutes, always in real time: the demo's clock does not apply.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contracts.command import Role

ALGORITHM = "Ed25519"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068, not a secret
AUDIENCE = "chaoyangli"
ISSUER = "chaoyangli-issuer"
LIFE_SECONDS_MAX = 600
LEEWAY_SECONDS = 5
_VERIFIED_MAX = 2_000

TokenReason = Literal["token_missing", "token_invalid", "token_expired"]


class TokenRefused(Exception):
    """A bearer token is missing, expired or not one of ours; `detail` never repeats any part of it."""

    def __init__(self, reason_code: TokenReason, detail: str) -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.detail = detail


class RoleGrant(BaseModel):
    """A role, held everywhere or within one scope (a grid, a station, a team)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    scope: str | None = None


class _Claims(BaseModel):
    """The claims of our tokens, checked strictly; unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    iss: Literal["chaoyangli-issuer"]
    sub: UUID
    aud: str | list[str]
    iat: int
    exp: int
    jti: str
    roles: tuple[RoleGrant, ...]
    on_behalf_of: UUID | None = None
    bootstrap: bool = False

    @model_validator(mode="after")
    def _nobody_is_the_system(self) -> Self:
        if any(grant.role is Role.SYSTEM for grant in self.roles):
            raise ValueError("SYSTEM is no person's role")
        return self


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token speaks for."""

    actor_id: UUID
    grants: tuple[RoleGrant, ...]
    on_behalf_of: UUID | None
    token_id: str
    bootstrap: bool = False
    """The one claim that is no role: its holder may make themselves the first ADMIN, once (`token --bootstrap`)."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles held, in the token's order, each once."""
        return tuple(dict.fromkeys(grant.role for grant in self.grants))

    def scopes(self, role: Role) -> frozenset[str]:
        """The scopes within which `role` is held; empty when it is held everywhere or not at all."""
        grants = [grant for grant in self.grants if grant.role is role]
        if any(grant.scope is None for grant in grants):
            return frozenset()
        return frozenset(grant.scope for grant in grants if grant.scope is not None)


def new_issuer_key() -> OKPKey:
    """A new Ed25519 issuer key; its `kid` is the RFC 7638 thumbprint."""
    key = OKPKey.generate_key("Ed25519", {"alg": ALGORITHM, "use": "sig"}, private=True)
    key.ensure_kid()
    return key


def load_issuer_key(path: Path) -> OKPKey:
    """Read the issuer's private JWK. Raises OSError or ValueError when there is none."""
    return OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))


def jwks(*keys: OKPKey) -> dict[str, Any]:
    """The public key set of these keys, as services hold it."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def issue(
    key: OKPKey,
    actor_id: UUID,
    roles: Sequence[RoleGrant | Role | Mapping[str, str]],
    *,
    on_behalf_of: UUID | None = None,
    audience: str = AUDIENCE,
    ttl_seconds: int = LIFE_SECONDS_MAX,
    bootstrap: bool = False,
) -> str:
    """Sign a token. `ttl_seconds` is 1 to 600. Raises ValueError for a longer life or the role SYSTEM."""
    if not 1 <= ttl_seconds <= LIFE_SECONDS_MAX:
        raise ValueError(f"a token lives 1 to {LIFE_SECONDS_MAX} s, not {ttl_seconds}")
    grants = [RoleGrant(role=role) if isinstance(role, Role) else RoleGrant.model_validate(role) for role in roles]
    if any(grant.role is Role.SYSTEM for grant in grants):
        raise ValueError("SYSTEM is no person's role")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": str(actor_id),
        "aud": audience,
        "iat": now,
        "exp": now + ttl_seconds,
        "jti": uuid4().hex,
        "roles": [grant.model_dump(mode="json", exclude_none=True) for grant in grants],
    }
    if on_behalf_of is not None:
        claims["on_behalf_of"] = str(on_behalf_of)
    if bootstrap:
        claims["bootstrap"] = True
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


class Verifier:
    """Checks tokens against a key set; a file is read again when it changes, so that keys can be rotated.

    Raises OSError or ValueError at once when the file is not there or holds no key set.
    """

    def __init__(self, keys: Mapping[str, Any] | Path, audience: str = AUDIENCE) -> None:
        self._path = keys if isinstance(keys, Path) else None
        self._changed_ns = -1
        self._keys = KeySet([]) if isinstance(keys, Path) else _key_set(keys)
        self._audience = audience
        self._verified: dict[str, tuple[Identity, int]] = {}
        """Tokens whose signature and claims were checked with the present keys, with their expiry: 0.2 ms saved."""
        self._current_keys()

    def verify(self, token: str) -> Identity:
        """Who the token speaks for. Raises TokenRefused (token_invalid, token_expired)."""
        keys = self._current_keys()
        known = self._verified.get(token)
        if known is None:
            claims = self._claims(token, keys)
            identity = Identity(claims.sub, claims.roles, claims.on_behalf_of, claims.jti, claims.bootstrap)
            if len(self._verified) >= _VERIFIED_MAX:
                self._verified.clear()
            self._verified[token] = known = (identity, claims.exp)
        identity, expires_at = known
        if expires_at <= time.time():
            self._verified.pop(token, None)
            raise TokenRefused("token_expired", "the token has expired")
        return identity

    def _claims(self, token: str, keys: KeySet) -> _Claims:
        try:
            decoded = jwt.decode(token, keys, algorithms=[ALGORITHM])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise TokenRefused("token_invalid", f"the token does not verify: {type(error).__name__}") from None
        if decoded.header.get("typ") != TOKEN_TYPE or not decoded.header.get("kid"):
            raise TokenRefused("token_invalid", f"the token's typ is not {TOKEN_TYPE}, or it names no key")
        try:
            # Through JSON once more: strict validation then takes ids as text and numbers only as whole numbers.
            claims = _Claims.model_validate_json(json.dumps(decoded.claims))
        except ValidationError as error:
            wrong = sorted({str(problem["loc"][0]) if problem["loc"] else "roles" for problem in error.errors()})
            raise TokenRefused("token_invalid", f"claims missing or malformed: {', '.join(wrong)}") from None
        if self._audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
            raise TokenRefused("token_invalid", f"the token is not for {self._audience}")
        if claims.exp - claims.iat > LIFE_SECONDS_MAX:
            raise TokenRefused("token_invalid", f"the token lives longer than {LIFE_SECONDS_MAX} s")
        if claims.iat > time.time() + LEEWAY_SECONDS:
            raise TokenRefused("token_invalid", "the token was issued in the future")
        return claims

    def _current_keys(self) -> KeySet:
        if self._path is not None:
            try:
                changed_ns = self._path.stat().st_mtime_ns
                if changed_ns != self._changed_ns:
                    self._keys = _key_set(json.loads(self._path.read_text(encoding="utf-8")))
                    self._changed_ns = changed_ns
                    self._verified.clear()
            except (OSError, ValueError, KeyError):
                # A file that is being replaced or was spoilt takes nobody's key away; at the start there must be one.
                if self._changed_ns < 0:
                    raise
        return self._keys


def _key_set(document: Mapping[str, Any]) -> KeySet:
    """Only Ed25519 signature keys count, whatever else the file holds."""
    usable = [key for key in document["keys"] if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"]
    return KeySet([OKPKey.import_key(key) for key in usable])

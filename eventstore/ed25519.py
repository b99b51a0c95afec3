"""Public keys of Ed25519 that prove nothing: the points of small order, by arithmetic alone."""

_FIELD, _SIGN_BIT = (1 << 255) - 19, 1 << 255
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The y of two of the four points of order 8; that of the other two is −y."""
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})


def is_small_order(public_key: bytes) -> bool:
    """Whether anybody could sign under this public key of 32 bytes: it is one of the eight points of small order.

    Programs verify with them, and under the neutral point one constant signature holds for every text. No private half
    leads to such a key (RFC 8032 §5.1.5), so whoever shows one has none.
    """
    y = int.from_bytes(public_key, "little") & (_SIGN_BIT - 1)
    return y % _FIELD in _SMALL_ORDER

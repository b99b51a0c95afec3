"""What JetStream's API is called, which depends on the account that a client is in (eventstore.accounts)."""

API = "$JS.API"
"""For the streams of the client's own account. On a server without users there is no other."""


def api_prefix(community: str) -> str:
    """For streams of other accounts than the client's own: `chaoyangli.JS.API`."""
    return f"{community}.JS.API"

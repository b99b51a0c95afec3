"""`chaoyangli doctor`: looks at everything that a running community stands on, and says what to do about it.

It reads and tries, and changes nothing: what it tries on PostgreSQL and NATS is what must be refused.
"""

"""The `chaoyangli` command: starts, shows, replays and verifies; PostgreSQL and NATS come from their wheels."""

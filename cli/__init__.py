"""The `chaoyangli` command: starts, shows, replays and verifies the services; starts PostgreSQL and NATS from wheels."""

"""The services: each owns a log, a vault and read models in its own PostgreSQL schema; they share contracts only."""

"""A witness: cosigns the heads of other people's logs, and never two that contradict each other (C2SP tlog-witness)."""

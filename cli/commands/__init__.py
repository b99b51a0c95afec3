"""The commands, grouped by what an operator does: run it, look at its history, prove it, take care of it."""

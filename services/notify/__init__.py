"""notify promises: who should know is told once, in plain words, and nothing is claimed that is not known."""

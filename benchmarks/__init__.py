"""The figures that the engine and the system must reach, each a ratio within one run or a count; see README.md."""

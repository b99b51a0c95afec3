"""Which version of the program this is: what a backup says it was written by."""

VERSION = "0.1.0"
"""The one of pyproject.toml, which lies beside no container's program."""

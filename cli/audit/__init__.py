"""The rules of the house held against the logs, by somebody who uses none of the services' own code for it.

Each module knows one kind of rule, from domain.md and the law it names, and reads events only: what a service says of
itself, its tables and deciders are not asked. `run.audit` reads the logs once, from the first event to the last.
"""

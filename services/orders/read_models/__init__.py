"""The tables people read. own.py folds orders' log (tables.py); people.py folds volunteers' log, as a copy of its own.

queries.py answers the pages; facts.py gathers what commands are decided by; relations.py, how a caller stands to an
order.
"""

"""The tables people read. own.py, own_missing.py and own_turning.py fold orders' log (tables.py); people.py folds
volunteers' log, as a copy of its own.

queries.py answers the pages; facts.py gathers what commands are decided by; relations.py, how a caller stands to an
order.
"""

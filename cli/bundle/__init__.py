"""The audit bundle: a directory that an auditor takes away, and checks with our programs or with other people's.

`logs/<service>/` is a log as C2SP tlog-tiles has it: checkpoint, hash tiles, and tiles of entries, the exact bytes of
the events. `books/` holds what follows from the ledger's entries: journals for hledger and beancount with the balances
asserted at every month's end, and the trial balance. `policy` names the keys. Nothing in it needs a server.
"""

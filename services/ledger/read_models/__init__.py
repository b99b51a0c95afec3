"""The tables people read: entries, postings, balances, gifts; and a copy of who is known and who acts for whom."""

"""ledger promises: every minute and 分 stands in a book, in balance, in order, and is corrected in public only."""

"""The tables people read: people, volunteers, claims of hours; and copies of what orders and the ledger said."""

"""What can go wrong with the days."""


class JournalUnreadable(Exception):
    """The journal is of other days than these, or spoilt; the message says what to do."""


class NotHeard(Exception):
    """The stream did not say in time what was waited for."""

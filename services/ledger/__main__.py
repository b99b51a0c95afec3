"""`python -m services.ledger`: run the service."""

from servicekit.process import run
from services.ledger.app import definition

if __name__ == "__main__":
    run(definition)

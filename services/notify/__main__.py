"""`python -m services.notify`: one process of the service, configured by CHAOYANGLI_* variables."""

from servicekit.process import run
from services.notify.app import definition

if __name__ == "__main__":
    run(definition)

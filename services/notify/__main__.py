"""`python -m services.notify`: one process of the service, configured by CHAOYANGLI_* variables."""

from servicekit.starting import loading

if __name__ == "__main__":
    with loading():
        from servicekit.process import run
        from services.notify.app import definition
    run(definition)

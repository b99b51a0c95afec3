"""Signals that arrive on top of one another do not keep the program from stopping."""

import os
import signal
import subprocess
import sys

from cli.stopping import StopSignal
from tests.support.waiting import PATIENCE_SECONDS

PROGRAM = """
import os
from cli.stopping import StopSignal
stop = StopSignal().listen()
print("listening", flush=True)
while not stop.wait(0.01):
    pass
os._exit(7)  # an orderly end gives the signals back to the system, and more of them are under way
"""


def test_many_signals_at_once_stop_it_once():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "listening\n"
        for _ in range(200):
            program.send_signal(signal.SIGTERM)
            program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE_SECONDS) == 7


def test_waiting_ends_when_told_and_not_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        stop = StopSignal().listen()
        assert not stop.wait(0)
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(PATIENCE_SECONDS)
        assert stop.is_set()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])

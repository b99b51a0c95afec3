"""Standard streams that are closed, end early, or know few letters; and Ctrl-C before the program has begun."""

import contextlib
import io
import json
import os
import subprocess
import sys

import pytest

from cli.output import print_json
from tests.cli.losses import servers_of, up
from tests.cli.program import PROGRAM, say
from tests.support.servers import temporary_directory

pytestmark = pytest.mark.timeout(300)
OK, CHECK_FAILED, INTERRUPTED = 0, 1, 130


@pytest.mark.parametrize(
    ("encoding", "said"), [("gbk", "朝阳里: volunteer orders"), ("ascii", "\\u671d\\u9633\\u91cc:")]
)
def test_letters_that_a_terminal_does_not_know_are_written_as_their_numbers(encoding, said):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ended = subprocess.run([PROGRAM, "--help"], env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (OK, b"")
    assert said in ended.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "ascii"])
def test_a_document_is_json_whatever_letters_its_reader_knows(encoding):
    document, written = {"name": "王阿姨 ✓ 𠮷 é"}, io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, encoding=encoding, errors="backslashreplace")):
        print_json(document)
        assert json.loads(written.getvalue().decode(encoding)) == document


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_nothing_to_stumble_over(closed):
    ended = subprocess.run(["sh", "-c", f"exec {PROGRAM} policy {closed}"], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (OK, b"")


STOPPED_WHILE_IT_LOADS = """
import os, signal, sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "cli.commands.audit":
            os.kill(os.getpid(), signal.SIGINT)

# Whatever runs the tests may be in the background, where Ctrl-C is ignored; a person's terminal is not.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Stop())
sys.argv = ["chaoyangli", "--help"]
from cli.entry import main
sys.exit(main())
"""


def test_ctrl_c_while_the_program_loads_ends_it_without_a_traceback():
    ended = subprocess.run([sys.executable, "-c", STOPPED_WHILE_IT_LOADS], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, b"", b"")


@pytest.mark.journey
def test_rows_of_a_table_that_nobody_reads_to_the_end_leave_no_traceback():
    with temporary_directory() as place:
        place.chmod(0o755)
        with up(place / "data"):
            assert say("token", "--bootstrap", "--data", place / "data").code == OK
        with servers_of(place / "data"):
            size = len(say("events", "--service", "volunteers", "--data", place / "data").lines)
            rows = ("as-of", size, "--service", "volunteers", "--table", "persons", "--data", place / "data")
            assert say(*rows).lines
            read, write = os.pipe()
            os.close(read)
            words = [str(PROGRAM), *map(str, rows)]
            ended = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
            os.close(write)
    assert (ended.returncode, ended.stderr) == (CHECK_FAILED, b"")

"""Databases that a program leaves open end with it."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import elanus
from elanus.engine.database import DatabaseEngine

def close(engine, close=DatabaseEngine.close):
    close(engine)
    print("closed", flush=True)

DatabaseEngine.close = close
{first}
database = elanus.connect(sys.argv[1])
"""


@pytest.mark.parametrize("first", ["", "import weakref; weakref.finalize(DatabaseEngine, id, 1)"])
def test_a_database_that_is_left_open_is_closed_at_exit(tmp_path, first):
    """Also where this is the first thing of the program that asks to be told of its end."""
    arguments = [sys.executable, "-c", PROGRAM.replace("{first}", first), str(tmp_path / "db")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")

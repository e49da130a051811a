"""Types into `anomalog sql` on a terminal of its own, as a user does, and says how it went.

Usage: type_in_shell.py PROGRAM WAREHOUSE HOME
"""

import os
import pty
import select
import sys
import time

program, warehouse, home = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.environ.pop("XDG_STATE_HOME", None)
    os.environ.update(HOME=home, TERM="xterm")
    os.execv(program, [program, "--warehouse", warehouse, "sql"])


def type(text):
    os.write(terminal, text.encode())


def wait_for(text, seconds=60):
    """Reads until a text is shown."""
    shown = b""
    end = time.monotonic() + seconds
    while text.encode() not in shown:
        if time.monotonic() > end:
            sys.exit(f"no {text!r} in {shown!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)


wait_for("anomalog> ")
# Hours of work. The note that the mode of the terminal was given back comes before the work begins.
type(
    "SELECT count(*) FROM range(3000000) AS a JOIN range(3000000) AS b"
    " ON a.value % 7 + b.value % 11 > 20;\r"
)
wait_for("\x1b[?2004l")
time.sleep(0.5)
type("\x03")
wait_for("stopped")
type("SELECT 6 * 7 AS answer;\r")
wait_for("| 42 ")
type("SELECT 1\r")
type("+ 1 AS lines;\r")
wait_for("| 2 ")
# Tab completes the name of a table.
type("SELECT count(*) + 70 AS n FROM traffic_w\t;\r")
wait_for("| 70 ")
type("\\timing\r")
wait_for("timing is on")
type("\\q\r")
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))

# SPDX-License-Identifier: LGPL-2.1-or-later
"""skepctl top on a terminal of its own: top.py SKEPCTL TEST. What it writes is drawn on a screen here, and judged there."""
import fcntl, os, pty, re, resource, select, signal, struct, sys, termios, time


class Screen:
    """A terminal: rows of characters, and what modes are on. What it does not know is an error."""

    TOKEN = re.compile(rb"\x1b\[\?(\d+)([hl])|\x1b\[([\d;]*)([HJKm])|([^\x1b\r\n]+)|(\r|\n)")

    def __init__(self, rows, columns):
        self.resize(rows, columns)
        self.row = self.column = 0
        self.modes = {25}
        self.rest = b""
        self.written = set()  # rows, since the picture began
        self.pictures = []

    def resize(self, rows, columns):
        self.size = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]

    def feed(self, data):
        data = self.rest + data
        at = 0
        while at < len(data):
            match = self.TOKEN.match(data, at)
            if not match or (match.end() == len(data) and match.group(5)):
                break
            self.take(match)
            at = match.end()
        self.rest = data[at:]
        assert len(self.rest) < 100000 and (not self.rest.startswith(b"\x1b") or len(self.rest) < 12), self.rest[:50]

    def take(self, match):
        mode, on, numbers, letter, text, control = match.groups()
        if mode:
            mode = int(mode)
            assert mode in (25, 1049, 2026), mode
            (self.modes.add if on == b"h" else self.modes.discard)(mode)
            if mode == 2026 and on == b"h":
                self.written = set()
            elif mode == 2026:
                self.pictures.append(len(self.written))
        elif letter == b"H":
            row, column = (int(n) for n in numbers.split(b";"))
            self.row, self.column = row - 1, column - 1
            assert self.row < self.size[0], "row %d of %d" % (row, self.size[0])
        elif letter == b"J":
            self.resize(*self.size)
        elif letter == b"K":
            self.lines[self.row][self.column:] = [" "] * (self.size[1] - self.column)
        elif text:
            for character in text.decode():
                if 1049 in self.modes:
                    assert self.column < self.size[1], "beyond the edge: " + text.decode()
                    self.lines[self.row][self.column] = character
                    self.written.add(self.row)
                    self.column += 1

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


class Top:
    def __init__(self, program, rows=24, columns=132, arguments=()):
        self.screen = Screen(rows, columns)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            time.sleep(0.2)  # until the size is set
            os.execv(program, [program, "top", *arguments])
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.fd)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            self.screen.feed(data)
            return bool(data)
        return True

    def until(self, what, seconds=20):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "never seen; there is:\n" + self.screen.text()
            self.read(0.1)

    def shows(self, pattern):
        self.until(lambda: re.search(pattern, self.screen.text(), re.M))

    def key(self, key):
        os.write(self.fd, key)

    def end(self):
        """The status, once the terminal is as it was."""
        end = time.monotonic() + 20
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.read(0.05)
            if pid:
                break
            assert time.monotonic() < end, "it does not end"
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        assert self.screen.modes == {25}, "left behind: %s" % self.screen.modes
        return status

    def is_given_back(self):
        return termios.tcgetattr(self.fd)[3] & (termios.ECHO | termios.ICANON) == termios.ECHO | termios.ICANON


def test_content(program):
    top = Top(program)
    top.shows(r"^skepd \d+\.\d+\.\d+  up ")
    top.shows(r"^jobs: \d+ queued, [1-9]\d* running, \d+ finished$")
    top.shows(r"^workers: 2 of 2 \(2 to 50\)$")
    top.shows(r"^WORKER +STATE +JOBS +WARM +MEMORY +PRESSURE +UP +UNIT$")
    top.shows(r"^TENANT +WEIGHT +QUEUED +RUNNING +USED$")
    top.shows(r"^root ")
    top.shows(r"^JOB +STATE +TIME +ATTEMPT +POLICY +TENANT +NAME$")
    top.shows(r" running +[\d.]+ .* python +root +watched$")
    assert 1049 in top.screen.modes and 25 not in top.screen.modes
    assert not top.is_given_back()
    top.key(b"q")
    assert top.end() == 0


def test_changes(program):
    """Only lines that have changed are written: that of the time, and those of what runs."""
    top = Top(program)
    top.shows("watched$")
    top.until(lambda: len(top.screen.pictures) >= 5, 30)
    assert max(top.screen.pictures[2:]) < 12, top.screen.pictures
    first = len(top.screen.pictures)
    top.key(b" ")
    top.until(lambda: len(top.screen.pictures) > first)
    top.key(b"q")
    assert top.end() == 0


def test_keys(program):
    top = Top(program)
    for order in "time", "tenant", "name", "id", "time":
        top.shows("s jobs by %s$" % order)
        top.key(b"s")
    top.key(b"\x04")
    assert top.end() == 0


def test_sizes(program):
    top = Top(program)
    top.shows("watched$")
    for rows, columns in (8, 40), (3, 20), (50, 200):
        top.screen.resize(rows, columns)
        top.resize(rows, columns)  # tells the program, which draws anew
        top.until(lambda: top.screen.lines[rows - 1][:1] != [" "])
        assert re.search(r"more lines|q quit", "".join(top.screen.lines[rows - 1])), top.screen.text()
    top.shows("watched$")
    top.key(b"q")
    assert top.end() == 0


def test_signals(program):
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT:
        top = Top(program)
        top.shows("q quit")
        os.kill(top.pid, number)
        status = top.end()
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, (number, status)
    top = Top(program)
    top.shows("q quit")
    top.key(b"\x03")  # by the terminal itself
    assert os.WTERMSIG(top.end()) == signal.SIGINT


def test_stop(program):
    top = Top(program)
    top.shows("q quit")
    os.kill(top.pid, signal.SIGTSTP)
    top.until(lambda: 1049 not in top.screen.modes)
    top.until(top.is_given_back)
    assert 25 in top.screen.modes
    os.kill(top.pid, signal.SIGCONT)
    top.until(lambda: 1049 in top.screen.modes)
    top.shows("q quit")
    top.key(b"q")
    assert top.end() == 0


globals()["test_" + sys.argv[2]](sys.argv[1])

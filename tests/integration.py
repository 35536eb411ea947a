#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon as its users meet it: started as a program, asked over sockets, told to reload and to stop.

Run by `make check` with the program's path in $REACTORD; prints TAP.  Arguments choose tests by a part of their
name.  Every test has a daemon of its own, on an address of the kernel's choice, and when a test is over the daemon
must hold as many descriptors as when it began, exit with 0 after SIGTERM, and have reported nothing from a
sanitizer.  Waits are bounded and end when what they wait for has happened; that something does not happen is never
shown by waiting.  With $INTEGRATION_TIMES set, it says how long each test took.
"""

import contextlib
import hashlib
import http.client
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib

REACTORD = os.path.abspath(os.environ.get("REACTORD", "./reactord"))
PATIENCE_S = 20         # a bound for what is expected to happen at once
UPLOADS, LOOPS = 200, 4

tests = []


class Skip(Exception):
    pass


def test(name, *arguments):
    """Registers a test under a sentence that is true of the daemon."""
    def register(function):
        tests.append((name, function, arguments))
        return function
    return register


def needs(tool):
    if not shutil.which(tool):
        raise Skip(tool + " is not installed")


def until(condition, what):
    """Waits for a condition and returns its value."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("never happened: " + what)
        time.sleep(0.002)


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError("%s: got %.300r, expected %.300r" % (what, got, expected))


# --- the daemon ------------------------------------------------------------------------------------------------------

class Daemon:
    def __init__(self, directory, settings=(), listen=("127.0.0.1:0",), config="", limits=None, passed=None, notify=None,
                 file_size=None, watchdog_usec=None):
        self.directory = directory
        self.config_file = os.path.join(directory, "reactord.conf")
        self.write_config(config)
        command = [REACTORD, "-c", self.config_file]
        for address in listen:
            command += ["-l", address]
        for setting in settings:
            command += ["-o", setting]
        if passed:      # a listener, as systemd would: descriptor 3, and the variables of sd_listen_fds(3)
            listen = [passed]
            command = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"', REACTORD, "-c", self.config_file]

        def prepare():
            if limits:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            if file_size:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
            if passed:
                os.dup2(passed.fileno(), 3)
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM")}
        environment["RUNTIME_DIRECTORY"] = directory
        if notify:
            environment["NOTIFY_SOCKET"] = notify
        if watchdog_usec:
            environment["WATCHDOG_USEC"] = str(watchdog_usec)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=prepare, env=environment,
                                        pass_fds=(3,) if passed else ())
        self.lines = []
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()
        self.pid = self.process.pid
        until(lambda: (self.said("version .* at most") and len(self.said("listening on")) >= len(listen)) or
              self.process.poll() is not None, "start")
        if self.process.poll() is not None:
            self.reader.join(PATIENCE_S)
            raise AssertionError("exit status %d: %s" % (self.process.returncode, self.lines))
        found = [re.search(r"listening on (\S+)", line) for line in self.lines]
        self.addresses = [parse_address(match.group(1)) for match in found if match]
        equal(len(self.addresses), len(listen), "addresses said")
        self.address = self.addresses[0]
        self.fds = self.count_fds()

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def write_config(self, text):
        with open(self.config_file + ".new", "w") as file:
            file.write(text)
        os.rename(self.config_file + ".new", self.config_file)

    def said(self, pattern):
        return [line for line in list(self.lines) if re.search(pattern, line)]

    def wait_said(self, pattern, times=1):
        return until(lambda: len(self.said(pattern)) >= times, "the log says " + pattern)

    def signal(self, number):
        os.kill(self.pid, number)

    def reload(self, config, verdict):
        before = len(self.said(verdict))
        self.write_config(config)
        self.signal(signal.SIGHUP)
        self.wait_said(verdict, before + 1)

    def ask_reload(self, config):
        """As ExecReload= does: exit status, standard output, standard error."""
        self.write_config(config)
        done = subprocess.run([REACTORD, "--reload", str(self.pid)], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE_S, env={**os.environ, "RUNTIME_DIRECTORY": self.directory})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def count_fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def wait_exit(self, status=0):
        equal(self.process.wait(PATIENCE_S), status, "exit status")
        self.reader.join(PATIENCE_S)

    def at_rest(self):
        # At the start there may have been one more, with which systemd was told that it is ready.
        until(lambda: self.count_fds() <= self.fds, "descriptors as at the start (%d), not %d" %
              (self.fds, self.count_fds()))

    def stop(self):
        if self.process.poll() is None:
            self.at_rest()
            self.signal(signal.SIGTERM)
        self.wait_exit()
        self.assert_no_complaint()

    def assert_no_complaint(self):
        equal([line for line in self.lines if re.search("Sanitizer|runtime error|Assertion", line)], [], "complaints")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(PATIENCE_S)


def parse_address(text):
    if text.startswith("/"):
        return text
    host, port = text.rsplit(":", 1)
    return (host.strip("[]"), int(port))


@contextlib.contextmanager
def daemon(*settings, **more):
    with tempfile.TemporaryDirectory(prefix="reactord-") as directory:
        os.chmod(directory, 0o755)
        running = None
        try:
            running = Daemon(directory, settings, **more)
            yield running
            running.stop()
        except BaseException:
            if running:
                running.kill()
                for line in running.lines[-20:]:
                    print("# daemon: " + line)
            raise
        finally:
            if running:
                running.process.stdout.close()


def run(*arguments):
    """Runs the program to its end: exit status, standard output, standard error."""
    done = subprocess.run([REACTORD, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# --- a client --------------------------------------------------------------------------------------------------------

class Client:
    def __init__(self, address, receive_buffer=None):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else
                                    socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket.settimeout(PATIENCE_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        if not isinstance(address, str):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def response(self, head_only=False):
        """Reads one response: status, fields (names in lower case), body."""
        line = self.file.readline()
        if not line:
            raise AssertionError("the connection ended, an answer was expected")
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [ -~]*\r\n", line)
        if not match:
            raise AssertionError("status line: %r" % line)
        fields = {}
        while True:
            line = self.file.readline()
            if line == b"\r\n":
                break
            name, value = line.decode().rstrip("\r\n").split(": ", 1)
            fields[name.lower()] = value
        status = int(match.group(1))
        body = b""
        if not head_only and status != 100:
            length = int(fields["content-length"])
            body = self.file.read(length)
            equal(len(body), length, "length of the body")
        return status, fields, body

    def ask(self, method="GET", more=b"", body=b"", head_only=False):
        self.send(request(method, more, body))
        return self.response(head_only)

    def hello(self):
        status, fields, body = self.ask()
        equal((status, body), (200, b"Hello"), "answer")
        return fields

    def assert_end(self):
        equal(self.file.read(1), b"", "end of the connection")

    def assert_gone(self):
        """Closed, or reset: either is an end."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass


def request(method="GET", more=b"", body=b"", target=b"/"):
    head = method.encode() + b" " + target + b" HTTP/1.1\r\nHost: test\r\n" + more
    if body:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


# --- the story -------------------------------------------------------------------------------------------------------

def png(width=400, height=400):
    """A valid picture of noise, which does not compress: about 480,000 bytes."""
    noise = random.Random(1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def upload(executor, workers, kind):
    needs("curl")
    with daemon("server.executor=" + executor, "server.workers=%d" % workers,
                listen=["127.0.0.1:0"] if kind == "tcp" else [scratch + "/http.sock"]) as d:
        with open(d.directory + "/image.png", "wb") as file:
            image = png()
            file.write(image)
        equal(470000 < len(image) < 490000, True, "size of the picture")
        where = ["http://%s:%d/upload" % d.address] if kind == "tcp" else \
                ["--unix-socket", d.address, "http://localhost/upload"]
        script = 'i=0; while [ $i -lt %d ]; do "$@" || exit; i=$((i + 1)); done' % (UPLOADS // LOOPS)
        command = ["sh", "-c", script, "loop", "curl", "--silent", "--show-error", "--max-time", str(PATIENCE_S),
                   "--write-out", " %{http_code}\n", "--location", "--request", "POST", *where,
                   "--form", "file=@image.png"]
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        loops = [subprocess.Popen(command, cwd=d.directory, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) for _ in range(LOOPS)]
        for loop in loops:
            out, errors = loop.communicate(timeout=60)
            equal((loop.returncode, errors), (0, b""), "curl")
            equal(out, b"Hello 200\n" * (UPLOADS // LOOPS), "answers")


for EXECUTOR in ("inline", "threaded"):
    for WORKERS in (1, 2):
        for KIND in ("tcp", "unix"):
            test("%d uploads of a picture by curl are answered Hello (%s, %d worker%s, %s)" %
                 (UPLOADS, EXECUTOR, WORKERS, "" if WORKERS == 1 else "s", KIND), EXECUTOR, WORKERS, KIND)(upload)


# --- the protocol, in both modes -------------------------------------------------------------------------------------

def protocol(name):
    def register(function):
        for executor in ("inline", "threaded"):
            test("%s (%s)" % (name, executor), "server.executor=" + executor)(function)
        return function
    return register


@protocol("a connection is kept and every request on it is answered")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        for _ in range(50):
            fields = c.hello()
            equal("connection" in fields, False, "Connection field")
            equal(fields["content-type"], "text/html")
            equal(bool(re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields["date"])), True, "Date")


@protocol("a hundred requests in one write get a hundred answers")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        c.send(request() * 100)
        for _ in range(100):
            equal(c.response()[::2], (200, b"Hello"))
        c.hello()


@protocol("ten thousand requests written while nobody reads are all answered")
def _(mode):
    with daemon(mode) as d, Client(d.address, receive_buffer=4096) as c:
        count = 10000
        writer = threading.Thread(target=c.send, args=(request() * count,))
        writer.start()
        for _ in range(count):
            equal(c.response()[::2], (200, b"Hello"))
        writer.join(PATIENCE_S)
        c.hello()


@protocol("requests with content are answered in a pipeline, too")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        chunked = request("POST", b"Transfer-Encoding: chunked\r\n") + b"5\r\nabcde\r\n0\r\n\r\n"
        c.send((request("POST", body=b"x" * 30000) + request() + chunked) * 20)
        for _ in range(60):
            equal(c.response()[::2], (200, b"Hello"))
        c.hello()


@protocol("HEAD is answered without the body but with its length")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        for _ in range(2):
            status, fields, _ = c.ask("HEAD", head_only=True)
            equal((status, fields["content-length"]), (200, "5"))
        c.hello()


@protocol("HTTP/1.0 ends after the answer, and persists when it asks to")
def _(mode):
    with daemon(mode) as d:
        with Client(d.address) as c:
            c.send(b"GET / HTTP/1.0\r\n\r\n")
            equal(c.response()[::2], (200, b"Hello"))
            c.assert_end()
        with Client(d.address) as c:
            for _ in range(3):
                c.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                status, fields, _ = c.response()
                equal((status, fields.get("connection", "").lower()), (200, "keep-alive"))


@protocol("Connection: close is answered with it, and nothing behind it is served")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        c.send(request(more=b"Connection: close\r\n") + request() * 10)
        status, fields, body = c.response()
        equal((status, body, fields["connection"]), (200, b"Hello", "close"))
        c.assert_end()


@protocol("chunked content of every shape is read to its end")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for chunks in (b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"1\r\nx\r\n" * 20000 + b"0\r\n\r\n",
                       b"5;a=b;c=\"d\"\r\nabcde\r\n0\r\nTrailer: x\r\n\r\n",
                       b"80000\r\n" + b"\0" * 0x80000 + b"\r\n0\r\n\r\n"):
            c.send(head + chunks)
            equal(c.response()[::2], (200, b"Hello"))
        c.hello()


@protocol("100 Continue comes before the content is sent")
def _(mode):
    with daemon(mode, "limits.max_body=1M") as d, Client(d.address) as c:
        for _ in range(3):
            c.send(request("POST", b"Expect: 100-continue\r\nContent-Length: 100000\r\n"))
            equal(c.response()[0], 100)
            c.send(b"x" * 100000)
            equal(c.response()[::2], (200, b"Hello"))
        c.send(request("POST", b"Expect: 100-continue\r\nContent-Length: 100000000\r\n"))
        equal(c.response()[0], 413)


@protocol("a POST without a length has no content")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        for _ in range(3):
            equal(c.ask("POST")[::2], (200, b"Hello"))


REFUSALS = (
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("white space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("folded field", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("lengths that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ("length and coding",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("no chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("content too long", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n", 413),
    ("chunk too long", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
    ("long target", b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("unknown expectation", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
    ("long field", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5000 + b"\r\n\r\n", 431),
    ("many fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20 + b"\r\n", 431),
    ("unknown coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("later version", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
)


@protocol("every kind of bad request gets its status, and then the end")
def _(mode):
    with daemon(mode, "limits.max_body=1000000", "limits.max_request_line=2K", "limits.max_header=4K",
                "limits.max_headers=10") as d:
        for what, data, status in REFUSALS:
            for behind in (b"", b"x" * 30000):
                with Client(d.address) as c:
                    c.send(data + behind)
                    got, fields, body = c.response()
                    equal((got, fields["connection"]), (status, "close"), what)
                    equal(body.startswith(b"%d " % status), True, what)
                    c.assert_end()
        with Client(d.address) as c:
            c.hello()


@protocol("CONNECT and TRACE are not allowed, OPTIONS tells what is")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        c.send(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        status, fields, _ = c.response()
        equal((status, "GET" in fields["allow"]), (405, True))
        equal(c.ask("TRACE")[0], 405)
        status, fields, body = c.ask("OPTIONS")
        equal((status, "POST" in fields["allow"], body), (200, True, b""))


@protocol("a request that drips in byte by byte is answered")
def _(mode):
    with daemon(mode) as d, Client(d.address) as c:
        for data in (request(more=b"X-Drip: yes\r\n"), request("POST", body=b"y" * 40),
                     request("POST", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\nT: u\r\n\r\n"):
            for i in range(len(data)):
                c.send(data[i:i + 1])
            equal(c.response()[::2], (200, b"Hello"))


@protocol("a client that has shut its side gets its answers")
def _(mode):
    with daemon(mode) as d:
        for data, answers in ((request(), 1), (request() * 30, 30), (request("POST", body=b"x" * 400000), 1)):
            with Client(d.address) as c:
                c.send(data)
                c.socket.shutdown(socket.SHUT_WR)
                for _ in range(answers):
                    equal(c.response()[::2], (200, b"Hello"))
                c.assert_end()


@protocol("a client that leaves in the middle of a request is told so")
def _(mode):
    with daemon(mode) as d:
        for data in (b"GET / HT", request("POST", b"Content-Length: 10\r\n") + b"abc",
                     request("POST", b"Transfer-Encoding: chunked\r\n") + b"5\r\nab"):
            with Client(d.address) as c:
                c.send(data)
                c.socket.shutdown(socket.SHUT_WR)
                equal(c.response()[0], 400)
                c.assert_end()
        with Client(d.address) as c:
            c.socket.shutdown(socket.SHUT_WR)
            c.assert_end()


@protocol("clients that reset the connection do no harm")
def _(mode):
    with daemon(mode, "server.workers=2", "limits.max_body=10M") as d, Client(d.address) as standing:
        for data in (b"", b"GET / HT", request(), request() * 200, request("POST", b"Content-Length: 5000000\r\n"),
                     request("POST", b"Content-Length: 5000000\r\n") + b"x" * 100000,
                     b"BAD\r\n\r\n" + b"x" * 1000):
            for _ in range(20):
                c = Client(d.address)
                c.send(data)
                c.reset()
        standing.hello()


@protocol("an error is read by a client that is still sending")
def _(mode):
    with daemon(mode, "limits.max_body=1000") as d:
        for _ in range(10):
            with Client(d.address) as c:
                data = memoryview(request("POST", b"Content-Length: 1000000\r\n") + b"x" * 1000000)
                while data:
                    readable, writable, _ = select.select([c.socket], [c.socket], [], PATIENCE_S)
                    if readable:
                        break
                    data = data[c.socket.send(data[:16384]):]
                equal(c.response()[0], 413)
                c.assert_end()


@protocol("curl reads 413 though its file is larger than what is drained")
def _(mode):
    needs("curl")
    with daemon(mode, "limits.max_body=1000") as d:
        with open(d.directory + "/large", "wb") as file:
            file.write(b"x" * 1000000)
        for expect in ("Expect:", "Expect: 100-continue"):
            for _ in range(10):
                command = ["curl", "-sS", "--noproxy", "*", "-H", expect, "--data-binary", "@large",
                           "-w", "%{http_code}", "http://%s:%d/" % d.address]
                out = subprocess.run(command, cwd=d.directory, capture_output=True, timeout=PATIENCE_S).stdout
                equal(out, b"413 Content Too Large\n413")


@protocol("a thousand connections are kept and served")
def _(mode):
    with daemon(mode, "server.workers=2") as d:
        clients = [Client(d.address) for _ in range(1000)]
        for _ in range(2):
            for c in clients:
                c.send(request())
            for c in clients:
                equal(c.response()[::2], (200, b"Hello"))
        equal(d.count_fds(), d.fds + 1000, "descriptors")
        for c in clients:
            c.close()


def memory_can_be_seen(d):
    with open("/proc/%d/maps" % d.pid) as file:
        if "libasan" in file.read():
            raise Skip("what is freed stays with the sanitizer")


@test("of a large page there is nothing beside the snapshot that it is answered from, also after reloads")
def _():
    with tempfile.TemporaryDirectory() as directory:
        page = os.path.join(directory, "page.html")
        with open(page, "wb") as file:
            file.write(os.urandom(16 << 20))
        config = "[response]\nbody_file = %s\ngzip = yes\n" % page
        with daemon("server.workers=1", config=config) as d:
            memory_can_be_seen(d)
            for _ in range(3):
                with open("/proc/%d/status" % d.pid) as file:
                    own = int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))
                if own > 8 << 10:
                    raise AssertionError("%d KiB of its own" % own)
                d.reload(config, "configuration [234] is in force")
            with Client(d.address) as c:
                c.send(request())
                with open(page, "rb") as file:
                    equal(c.response()[2] == file.read(), True, "the page")


@protocol("when thousands of connections have gone it has as much memory as before")
def _(mode):
    crowd = 6000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < crowd + 500:
        raise Skip("the limit of open files is %d" % hard)
    with daemon(mode, "server.workers=2", "limits.header_timeout=10m") as d:
        memory_can_be_seen(d)
        with Client(d.address) as c:
            c.hello()
        before = resident(d)
        sockets = []
        for _ in range(crowd):
            sockets.append(socket.create_connection(d.address))
            sockets[-1].sendall(request()[:-2])
        until(lambda: resident(d) > before + crowd * 4, "each half request has a page")
        for s in sockets:
            s.close()
        until(lambda: resident(d) <= before * 1.1, "memory as before, %d KiB" % before)


def resident(d):
    with open("/proc/%d/status" % d.pid) as status:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status.read(), re.MULTILINE).group(1))


@protocol("when all places are taken the one idle for longest makes room")
def _(mode):
    with daemon(mode, "server.workers=1", "limits.max_connections=10") as d:
        clients = [Client(d.address) for _ in range(10)]
        for c in clients:
            c.hello()
        clients[0].hello()      # now clients[1] has waited longest
        with Client(d.address) as late:
            late.hello()
            clients[1].assert_gone()
            for i in (0, 2, 3, 4, 5, 6, 7, 8, 9):
                clients[i].hello()
            equal(d.count_fds(), d.fds + 10, "descriptors")
        for c in clients:
            c.close()


@protocol("when all places are taken by busy clients the next is answered 503")
def _(mode):
    with daemon(mode, "server.workers=1", "limits.max_connections=4",
                "response.body_file=" + large_file(5)) as d:
        busy = [Client(d.address, receive_buffer=4096) for _ in range(4)]
        for c in busy:
            c.send(request())
            equal(c.file.read(8), b"HTTP/1.1")
        for _ in range(100):
            with Client(d.address) as c:
                c.send(request())
                status, fields, _ = c.response()
                equal((status, fields["retry-after"], fields["connection"]), (503, "1", "close"))
                c.assert_end()
        busy[0].close()
        until(lambda: status_of(d) == 200, "a place is free")
        for c in busy:
            c.close()
        d.wait_said("places|full|max_connections")


def status_of(d):
    with Client(d.address) as c:
        return c.ask()[0]


@protocol("without descriptors those that stand are served, and it recovers")
def _(mode):
    with daemon(mode, "server.workers=1", "limits.max_connections=100") as d:
        standing = [Client(d.address) for _ in range(3)]
        for c in standing:
            c.hello()
        hard = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)[1]
        highest = max(int(fd) for fd in os.listdir("/proc/%d/fd" % d.pid))
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
        waiting = [Client(d.address) for _ in range(5)]
        for c in waiting:
            c.send(request())
        d.wait_said("descriptor|Too many open files")
        for _ in range(3):
            for c in standing:
                c.hello()
        standing[0].close()     # its descriptor is enough for one after the other
        for c in waiting:
            equal(c.response()[::2], (200, b"Hello"))
            c.close()
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (hard, hard))
        with Client(d.address) as c:
            c.hello()
        for c in standing:
            c.close()


def watched_by_each_worker(pid):
    """How many descriptors each poller watches, as the kernel tells."""
    found = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.readlink("/proc/%d/fd/%s" % (pid, fd)) == "anon_inode:[eventpoll]":
                with open("/proc/%d/fdinfo/%s" % (pid, fd)) as file:
                    found.append(file.read().count("tfd:"))
        except FileNotFoundError:
            pass
    return found


@protocol("1,000 connections at once are spread evenly over 2 and 4 workers, from own sockets and from one of systemd's")
def _(mode):
    for workers in (2, 4):
        for own in (True, False):
            with socket.socket() as listener, contextlib.ExitStack() as stack:
                listener.bind(("127.0.0.1", 0))
                listener.listen(4096)
                config = "[server]\nworkers = %d\n%s\n" % (workers, mode.removeprefix("server."))
                d = stack.enter_context(daemon(config=config, passed=None if own else listener))
                at_rest = watched_by_each_worker(d.pid)
                equal(len(at_rest), workers, "pollers")
                clients = [stack.enter_context(socket.socket()) for _ in range(1000)]
                for c in clients:
                    c.setblocking(False)
                    c.connect_ex(d.address)
                for c in clients:
                    c.settimeout(PATIENCE_S)
                    c.sendall(request())
                for c in clients:
                    if not c.recv(4096).startswith(b"HTTP/1.1 200 "):
                        raise AssertionError("no answer")
                # An answer is sent before what comes next is awaited.
                until(lambda: sum(watched_by_each_worker(d.pid)) - sum(at_rest) == 1000, "all connections are watched")
                shares = [n - before for n, before in zip(watched_by_each_worker(d.pid), at_rest)]
                if max(shares) > 1.3 * min(shares):
                    raise AssertionError("%d workers have %r" % (workers, shares))
                for c in clients:
                    c.close()


@protocol("timeouts end what the client does not finish")
def _(mode):
    with daemon(mode, "limits.header_timeout=200ms", "limits.body_timeout=200ms", "limits.idle_timeout=200ms") as d:
        with Client(d.address) as silent, Client(d.address) as half, Client(d.address) as content, \
             Client(d.address) as chunks, Client(d.address) as idle:
            idle.hello()
            half.send(b"GET / HTTP/1.1\r\nHo")
            content.send(request("POST", b"Content-Length: 10\r\n") + b"abc")
            chunks.send(request("POST", b"Transfer-Encoding: chunked\r\n") + b"5\r\nab")
            for c in (half, content, chunks):
                status, fields, _ = c.response()
                equal((status, fields["connection"]), (408, "close"))
                c.assert_end()
            silent.assert_end()
            idle.assert_end()


@protocol("a drip does not put off the header timeout")
def _(mode):
    with daemon(mode, "limits.header_timeout=300ms") as d, Client(d.address) as c:
        drip = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 400
        for i in range(len(drip)):
            if select.select([c.socket], [], [], 0.02)[0]:
                break
            c.send(drip[i:i + 1])
        equal(i < 200, True, "answered within 4 s of dripping")
        equal(c.response()[0], 408)


@protocol("a client that reads nothing is given up after the write timeout")
def _(mode):
    with daemon(mode, "limits.write_timeout=200ms", "response.body_file=" + large_file(5)) as d:
        c = Client(d.address, receive_buffer=4096)
        c.send(request() * 3)
        equal(c.socket.recv(1, socket.MSG_PEEK), b"H", "the answer begins")
        until(lambda: d.count_fds() == d.fds, "given up")
        c.close()


@protocol("a client that has shut its side and reads late gets all its answers")
def _(mode):
    for body, count in ((0, 10000), (1, 4)):
        settings = ["response.body_file=" + large_file(body)] if body else []
        with daemon(mode, *settings) as d, Client(d.address, receive_buffer=4096) as c:
            def write():
                c.send(request() * count)
                c.socket.shutdown(socket.SHUT_WR)
            writer = threading.Thread(target=write)
            writer.start()
            for _ in range(count):
                equal(c.response()[2], large_body(body) if body else b"Hello")
            c.assert_end()
            writer.join(PATIENCE_S)


@protocol("a last answer that is long arrives whole though more was sent behind the request")
def _(mode):
    with daemon(mode, "response.body_file=" + large_file(1)) as d:
        for behind in (b"", request() * 100, b"x" * 100000):    # more than is drained
            with Client(d.address, receive_buffer=4096) as c:
                c.send(request(more=b"Connection: close\r\n") + behind)
                equal(c.response()[2], large_body(1))
                c.assert_end()


@protocol("HEAD gets no body with an error either")
def _(mode):
    with daemon(mode, "limits.max_body=10", "limits.max_header=1K") as d:
        for more in (b"Content-Length: 11\r\n", b"Expect: miracles\r\n", b"X: " + b"y" * 2000 + b"\r\n"):
            with Client(d.address) as c:
                equal(c.ask("HEAD", more, head_only=True)[0] in (413, 417, 431), True)
                c.assert_end()


def dice_request(dice):
    """A request of a random shape, and whether its answer has no body."""
    more = b"X-Filler: %s\r\n" % (b"f" * dice.choice((0, 1, 50, 3000)))
    size = dice.choice((0, 1, 2, 100, 16383, 16384, 16385, 40000, 300000))
    shape = dice.randrange(5)
    if shape == 0:
        return request(more=more), False
    if shape == 1:
        return request("HEAD", more), True
    if shape == 2:
        return b"\r\n" * dice.randrange(3) + request(more=more), False
    if shape == 3:
        return request("POST", more, body=b"GET / HTTP/1.1\r\n\r\n"[:size] + b"p" * size), False
    data = request("POST", more + b"Transfer-Encoding: chunked\r\n")
    while size > 0:
        piece = min(size, dice.choice((1, 7, 1000, 16384, 100000)))
        data += b"%x%s\r\n" % (piece, dice.choice((b"", b";a", b';a="b;\\""'))) + b"c" * piece + b"\r\n"
        size -= piece
        if len(data) > 1000000:
            break
    return data + b"0\r\n" + dice.choice((b"", b"T: u\r\n")) + b"\r\n", False


@protocol("however requests are cut and read, each gets its answer")
def _(mode):
    for kind in ("tcp", "unix"):
        for size in (5, 16385, 100000):     # in the head's send, a little too long for it, and long
            body = random.Random(size).randbytes(size)
            with open("%s/dice" % scratch, "wb") as file:
                file.write(body)
            with daemon(mode, "response.body_file=%s/dice" % scratch,
                        listen=["127.0.0.1:0"] if kind == "tcp" else [scratch + "/dice.sock"]) as d:
                for seed in range(12):
                    dice = random.Random(seed)
                    requests = [dice_request(dice) for _ in range(dice.choice((1, 5, 40)))]
                    stream = b"".join(data for data, _ in requests)
                    step = dice.choice((37, 1000, 16384, 16385, 1 << 20))
                    if len(stream) // step > 3000:
                        step = 16384
                    with Client(d.address, receive_buffer=dice.choice((None, 4096))) as c:
                        def write():
                            for at in range(0, len(stream), step):
                                c.send(stream[at:at + step])
                            if seed % 2:
                                c.socket.shutdown(socket.SHUT_WR)
                        writer = threading.Thread(target=write)
                        writer.start()
                        for number, (_, head_only) in enumerate(requests):
                            status, _, got = c.response(head_only)
                            equal((status, got), (200, b"" if head_only else body),
                                  "%s, %d, seed %d, request %d" % (kind, size, seed, number))
                        if seed % 2:
                            c.assert_end()
                        writer.join(PATIENCE_S)


@protocol("no more than max_requests are served on a connection")
def _(mode):
    with daemon(mode, "limits.max_requests=3") as d, Client(d.address) as c:
        c.send(request() * 5)
        equal([c.response()[1].get("connection") for _ in range(3)], [None, None, "close"])
        c.assert_end()


# --- large bodies ----------------------------------------------------------------------------------------------------

def large_body(mebibytes):
    return random.Random(mebibytes).randbytes(1 << 20) * mebibytes


def large_file(mebibytes):
    path = "%s/%d" % (scratch, mebibytes)
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(large_body(mebibytes))
    return path


@protocol("large bodies arrive whole, also in a pipeline and to a slow reader")
def _(mode):
    for mebibytes in (1, 5):
        digest = hashlib.sha256(large_body(mebibytes)).digest()
        with daemon(mode, "response.body_file=" + large_file(mebibytes)) as d:
            with Client(d.address) as c:
                c.send(request() * 2 + request("HEAD") + request("POST", body=b"x" * 100000) + request())
                for head_only in (False, False, True, False, False):
                    status, fields, body = c.response(head_only)
                    equal((status, fields["content-length"]), (200, str(mebibytes << 20)))
                    if not head_only:
                        equal(hashlib.sha256(body).digest(), digest, "digest")
            with Client(d.address, receive_buffer=4096) as c:
                c.send(request(more=b"Connection: close\r\n"))
                pieces = []
                while True:
                    piece = c.socket.recv(3000 if len(pieces) < 300 else 65536)
                    if not piece:
                        break
                    pieces.append(piece)
                body = b"".join(pieces).split(b"\r\n\r\n", 1)[1]
                equal(hashlib.sha256(body).digest(), digest, "digest")


@protocol("twenty clients get five mebibytes each at the same time")
def _(mode):
    digest = hashlib.sha256(large_body(5)).digest()
    with daemon(mode, "server.workers=2", "response.body_file=" + large_file(5)) as d:
        results = []

        def fetch():
            with Client(d.address) as c:
                results.append(hashlib.sha256(c.ask()[2]).digest())
        threads = [threading.Thread(target=fetch) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        equal(results, [digest] * 20)


# --- options and configuration ---------------------------------------------------------------------------------------

@contextlib.contextmanager
def config_file(text):
    with tempfile.TemporaryDirectory(prefix="reactord-") as directory:
        path = directory + "/reactord.conf"
        with open(path, "w") as file:
            file.write(text)
        yield path


BAD = "[server]\nworkers = many\n[response]\nstaus = 200\nbody = ok\n[limits]\nidle_timeout = soon\n"


@test("--check says that a good file is good")
def _():
    with config_file("[response]\nbody = Hi\n") as path:
        status, out, errors = run("--check", "--config", path)
        equal((status, errors), (0, ""))
        equal(path in out, True)


@test("--check says how much memory the limits can take, and with larger limits more")
def _():
    def most(setting):
        status, out, errors = run("--check", "-o", "server.workers=1", "-o", setting)
        equal((status, errors), (0, ""))
        line = re.search(r"^memory: at most ([0-9.]+) ([KMG])iB, if each of (\d+) connections .*; "
                         r"[0-9.]+ MiB, if all are idle$", out, re.MULTILINE)
        equal(bool(line), True, out)
        return float(line.group(1)) * 1024 ** "KMG".index(line.group(2)), int(line.group(3))
    few, many, long = most("limits.max_connections=100"), most("limits.max_connections=1000"), most("limits.max_header=256K")
    equal((few[1], many[1], long[1]), (100, 1000, 10000))
    equal(few[0] * 5 < many[0] < few[0] * 10 < long[0] / 10, True, (few, many, long))


@test("--check lists every mistake of a bad file and exits with 78")
def _():
    with config_file(BAD) as path:
        status, out, errors = run("-t", "-c", path)
        equal(status, 78)
        for line in (2, 4, 7):
            equal("%s:%d:" % (path, line) in errors, True, "line %d in %r" % (line, errors))
        equal(len(errors.splitlines()), 3, errors)


@test("--dump-config prints a file that --check takes and that says the same")
def _():
    with config_file("[response]\nbody = Hi\nheader = X-A: 1\n[limits]\nmax_body = 5M\n") as path:
        status, out, errors = run("-T", "-c", path, "-o", "limits.max_headers=7")
        equal((status, errors), (0, ""))
        for expected in ("body = Hi", "X-A: 1", "max_headers = 7"):
            equal(expected in out, True, expected + " in " + out)
        with config_file(out) as dumped:
            equal(run("--check", "-c", dumped)[0], 0)
            equal(run("-T", "-c", dumped)[1], out)


@test("--version and --help exit with 0")
def _():
    for option in ("-V", "--version"):
        status, out, _ = run(option)
        equal((status, bool(re.fullmatch(r"reactord \d\S*\n", out))), (0, True), out)
    for option in ("-h", "--help"):
        status, out, _ = run(option)
        equal((status, "--check" in out), (0, True))


@test("what cannot be printed is a failure, whoever prints it")
def _():
    with config_file("[response]\nbody =\n" + "\t%s\n" % ("x" * 100) * 300) as path:
        for arguments in (["-V"], ["-h"], ["-t"], ["-T"], ["-T", "-c", path]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([REACTORD, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S)
            equal(done.returncode, 71, "exit status of %s" % arguments)
            equal(done.stderr.decode().startswith("reactord: standard output: "), True, done.stderr)


@test("an unknown option exits with 64")
def _():
    for option in ("--no-such", "-z", "operand"):
        status, out, errors = run(option)
        equal((status, out), (64, ""))
        equal("--help" in errors, True)


@test("a bad configuration exits with 78 before anything is bound")
def _():
    with config_file(BAD) as path, socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        # The address is taken: whoever tried to bind it would exit with 71 instead.
        status, _, errors = run("-c", path, "-l", "127.0.0.1:%d" % holder.getsockname()[1])
        equal(status, 78)
        equal(errors.count(path + ":") >= 3, True, errors)
    equal(run("-c", "/nonexistent/reactord.conf")[0], 78)
    equal(run("-t", "-o", "limits.nonsense=1")[0], 78)
    equal(run("-t", "-l", "nonsense")[0], 78)


@test("an upgrade in place without systemd, or with sockets of its own, is refused, and the log says why")
def _():
    def upgrade_in_vain(d, why):
        os.kill(d.pid, signal.SIGUSR2)
        until(lambda: d.said("no upgrade, and all is as before: " + why), "the refusal")

    with daemon() as d:
        upgrade_in_vain(d, "systemd did not start this daemon")
    name = f"@reactord-integration-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:])
        with daemon(notify=name) as d:
            upgrade_in_vain(d, "its sockets are its own, and only those that systemd opened can be passed on")
            told = b""
            while b"READY=1" not in told or b"RELOADING=1" not in told:
                told += systemd.recv(4096) + b"\n"
            equal(b"FDNAME=handover" in told, False, told)
            systemd.close()     # who stops need not wait for it


@test("a load of many bodies asks for more time; at a reload and after an upgrade in place it feeds the watchdog, too")
def _():
    messages = []

    def listen(systemd):
        while True:
            try:
                messages.append(systemd.recv(4096).decode())
            except OSError:
                return

    def of(first, last):
        """Between these two; None: they were not told yet."""
        told = list(messages)
        for name in (first, last):
            if name and not any(message.startswith(name) for message in told):
                return None
            if name == first and first:
                told = told[next(i for i, message in enumerate(told) if message.startswith(first)):]
        return told[:next((i for i, message in enumerate(told) if message.startswith(last)), 0)]

    name = f"@reactord-integration-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, tempfile.NamedTemporaryFile() as page, \
         socket.socket() as listener:
        systemd.bind("\0" + name[1:])
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=listen, args=(systemd,), daemon=True).start()
        page.write(os.urandom(1 << 19).hex().encode())
        page.flush()
        config = "".join("[route /%d]\nbody_file = %s\ngzip = yes\n" % (i, page.name) for i in range(8))
        # The load takes longer than the watchdog allows.
        with daemon(notify=name, config=config, watchdog_usec=100000, passed=listener) as d:
            told = until(lambda: of(None, "READY=1"), "ready")
            equal([any(message.startswith(what) for message in told) for what in ("EXTEND_TIMEOUT_USEC=", "WATCHDOG=1")],
                  [True, False], told)
            until(lambda: "WATCHDOG=1" in messages, "it is fed")
            for how in ("reload", "upgrade"):
                if how == "reload":
                    d.reload(config, "is in force")
                else:
                    messages.clear()
                    d.signal(signal.SIGUSR2)
                told = until(lambda: of("RELOADING=1", "READY=1"), "ready again")
                equal([any(message.startswith(what) for message in told)
                       for what in ("EXTEND_TIMEOUT_USEC=", "WATCHDOG=1")], [True, True], how + ": %r" % told)
            systemd.shutdown(socket.SHUT_RDWR)
            systemd.close()     # who stops need not wait for it


NAMED = ("[listen admin]\nbody = admin\n[route /x on admin]\nbody = x of admin\n"
         "[maintenance on http]\nenable_if_exists = on\n")


@test("listeners with names have answers of their own, and a name that is not there is refused")
def _():
    with daemon(listen=("127.0.0.1:0", "127.0.0.1:0 name=admin"), config=NAMED) as d:
        clients = [Client(address) for address in d.addresses]
        switch = os.path.join(d.directory, "on")

        def ask(number, target):
            clients[number].send(request(target=target.encode()))
            return clients[number].response()[2]
        equal([ask(0, "/"), ask(0, "/x"), ask(1, "/"), ask(1, "/x")], [b"Hello", b"Hello", b"admin", b"x of admin"])
        with open(switch, "w"):
            until(lambda: ask(0, "/").startswith(b"503"), "maintenance is on")
        equal(ask(1, "/"), b"admin")
        os.unlink(switch)
        until(lambda: ask(0, "/") == b"Hello", "maintenance is off")
        status, out, errors = d.ask_reload(NAMED.replace("[listen admin]", "[listen amdin]"))
        equal((status, out), (1, ""))
        equal("reactord.conf:1: [listen amdin]: there is no listener of that name; server.listen has http (127.0.0.1:0), "
              "admin (127.0.0.1:0 name=admin)\n" in errors, True, errors)
        equal(d.ask_reload(NAMED.replace("body = admin", "body = new"))[0], 0)
        equal([ask(0, "/"), ask(1, "/")], [b"Hello", b"new"])
        for client in clients:
            client.close()
    with config_file(NAMED) as path:
        status, _, errors = run("-c", path, "-l", "127.0.0.1:0")
        equal((status, errors.count("there is no listener of that name")), (78, 2), errors)
        equal(run("-t", "-c", path)[0], 0, "--check without names in server.listen")
        equal(run("-t", "-c", path, "-l", "127.0.0.1:0 name=admin")[0], 78)


@test("after a bad start 503 is answered where systemd listens, and a mended file is taken again and again")
def _():
    good = "[server]\nworkers = 3\n[response]\nbody = mended\n[limits]\nmax_connections = 20000\n"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with daemon(config=BAD, passed=listener) as d, Client(d.address) as c:
            equal(len(d.said("reactord.conf:[247]:")), 3)
            c.send(request())
            status, fields, body = c.response()
            equal((status, "retry-after" in fields, b"misconfigured" in body), (503, True, True))
            d.reload(BAD, "the new configuration is refused")
            for number in (2, 3):       # the restart is outstanding still
                status, out, errors = d.ask_reload(good)
                equal((status, out), (0, "configuration %d is in force, except for what needs a restart\n" % number))
                equal(re.findall(":([26]): (server.workers = 3|limits.max_connections = 20000) .* needs `systemctl restart",
                                 errors), [("2", "server.workers = 3"), ("6", "limits.max_connections = 20000")], errors)
                d.wait_said("server.workers = 3", number - 1)
                c.send(request())
                equal(c.response()[2], b"mended")
            status, out, errors = d.ask_reload(good.replace("workers = 3", "workers = 4"))
            equal((status, out), (1, ""))
            equal("server.workers = 4 in place of 3 needs `systemctl restart reactord`" in errors, True, errors)
            status, out, errors = d.ask_reload(good.replace("20000", "20001"))
            equal((status, "limits.max_connections = 20001" in errors), (1, True), errors)
            equal(d.ask_reload(good.replace("20000", "9"))[0], 0)
            equal(d.ask_reload(good)[0], 0, "up to what the mended file said")


@test("a start whose answers are more than the limit of a file answers 503 where systemd listens, until they are fewer")
def _():
    with socket.socket() as listener, tempfile.NamedTemporaryFile() as page:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        page.truncate(64 << 20)
        # What is kept of connections is in a file as well, and has to be less.
        large = "[server]\nworkers = 1\n[limits]\nmax_connections = 2\n[response]\nbody_file = %s\n" % page.name
        with daemon(config=large, passed=listener, file_size=56 << 20) as d, Client(d.address) as c:
            equal(len(d.said("all bodies and heads together are over 1 GiB, or .*LimitFSIZE")), 1)
            c.send(request())
            status, _, body = c.response()
            equal((status, b"misconfigured" in body), (503, True))
            d.reload("[response]\nbody = mended\n", "is in force")
            c.send(request())
            equal(c.response()[2], b"mended")


@test("a bad start is an end with --strict, and without listeners of systemd's")
def _():
    with socket.socket() as listener, config_file(BAD) as path:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = subprocess.run(["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"', REACTORD, "--strict", "-c", path],
                              preexec_fn=lambda: os.dup2(listener.fileno(), 3), pass_fds=(3,), capture_output=True,
                              timeout=PATIENCE_S)
        equal(done.returncode, 78)


@test("an address in use exits with 71, the address and the reason")
def _():
    with socket.socket() as holder, config_file("") as path:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        address = "127.0.0.1:%d" % holder.getsockname()[1]
        for workers in (1, 2):
            status, _, errors = run("-c", path, "-l", address, "-o", "server.workers=%d" % workers)
            equal(status, 71)
            equal(address in errors and "in use" in errors, True, errors)


@test("an address that another reactord holds is in use")
def _():
    with config_file("") as path:
        for workers in (1, 2):
            with daemon("server.workers=2", listen=["127.0.0.1:0", scratch + "/held.sock"]) as d:
                for address in ("%s:%d" % d.addresses[0], d.addresses[1]):
                    status, _, errors = run("-c", path, "-l", address, "-o", "server.workers=%d" % workers)
                    equal(status, 71)
                    equal(address in errors and "in use" in errors, True, errors)
                for address in d.addresses:
                    with Client(address) as c:
                        c.hello()


@test("a unix socket left behind by a dead daemon is replaced, and removed at the end")
def _():
    path = scratch + "/stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with daemon(listen=[path]) as d, Client(d.address) as c:
        c.hello()
    equal(os.path.exists(path), False, "removed")


@test("the configuration says what is answered")
def _():
    text = ("[response]\nstatus = 503\ncontent_type = text/plain\nheader = Retry-After: 60\nheader = X-A: b\n"
            "body = Back at 10:00\n")
    with daemon(config=text) as d, Client(d.address) as c:
        for _ in range(2):
            status, fields, body = c.ask()
            equal((status, fields["content-type"], fields["retry-after"], fields["x-a"], body),
                  (503, "text/plain", "60", "b", b"Back at 10:00"))


@test("it listens on several addresses of every family")
def _():
    listen = ["127.0.0.1:0", scratch + "/several.sock"]
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        listen.append("[::1]:0")
    except OSError:
        pass
    with daemon("server.workers=2", listen=listen) as d:
        for address in d.addresses:
            for _ in range(10):
                with Client(address) as c:
                    c.hello()


@test("with few descriptors it lowers max_connections and says so")
def _():
    with daemon("server.workers=1", limits=(300, 300)) as d:
        equal(len(d.said(r"max_connections lowered from 10000 to \d+: "
                         r"the limit of open files is 300 and should be 101\d\d ")), 1, d.lines)
        clients = []
        for _ in range(280):
            clients.append(Client(d.address))
            clients[-1].hello()
        equal(d.said("descriptors|Too many"), [], "ran out of descriptors")
        for c in clients:
            c.close()


@test("with very few descriptors half of what is left are connections, and a reload still works")
def _():
    with daemon("server.workers=1", limits=(40, 40)) as d:
        allowed = int(re.search(r"lowered from 10000 to (\d+)", "\n".join(d.lines)).group(1))
        equal(allowed >= 5, True, d.lines)
        clients = []
        for _ in range(30):
            clients.append(Client(d.address))
            clients[-1].hello()
        equal(d.ask_reload("[response]\nbody = new\n")[0], 0)
        equal(clients[-1].ask()[2], b"new")
        equal(d.said("descriptors|Too many"), [], "ran out of descriptors")
        for c in clients:
            c.close()


@test("too few descriptors for the workers are an error that says how many there should be")
def _():
    with config_file("") as path:
        done = subprocess.run([REACTORD, "-c", path, "-l", "127.0.0.1:0", "-o", "server.workers=8"],
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
                              capture_output=True, timeout=PATIENCE_S)
        equal(done.returncode, 71)
        equal(re.search(rb"limit of open files is 40: 8 workers need \d+, and .* should be \d+ \(LimitNOFILE=", done.stderr)
              is not None, True, done.stderr)


# --- routes ----------------------------------------------------------------------------------------------------------

ROUTES = """
[response]
status = 404

[error 404]
content_type = text/html
body = <h1>nothing here</h1>

[route /health]
methods = GET
content_type = text/plain
body = ok

[route /old/*]
status = 301
header = Location: https://${host}${target}

[route example.org/*]
status = 308
header = Location: https://www.example.org${target}

[route example.org/health]
body = here
"""


@protocol("routes answer by path, prefix, host and method")
def _(mode):
    with daemon(mode, config=ROUTES) as d, Client(d.address) as c:
        for host, method, target, status, body in (
                (b"a", b"GET", b"/", 404, b"<h1>nothing here</h1>"),
                (b"a", b"GET", b"/health", 200, b"ok"),
                (b"a", b"HEAD", b"/health", 200, None),
                (b"a", b"GET", b"/%68ealth?x", 200, b"ok"),
                (b"a", b"GET", b"/x/../health", 200, b"ok"),
                (b"a", b"GET", b"/health/", 404, b"<h1>nothing here</h1>"),
                (b"a", b"POST", b"/health", 405, b"405 Method Not Allowed\n"),
                (b"a", b"OPTIONS", b"/health", 200, b""),
                (b"a", b"GET", b"/old/", 301, b"301 Moved Permanently\n"),
                (b"example.org", b"GET", b"/health", 200, b"here"),
                (b"EXAMPLE.ORG:80", b"GET", b"/old/x", 308, b"308 Permanent Redirect\n")):
            c.send(method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            got, fields, content = c.response(head_only=method == b"HEAD")
            equal((got, content if body is not None else None), (status, body), "%s %s%s" % (method, host, target))
            equal("allow" in fields, method in (b"POST", b"OPTIONS"), "Allow")


@protocol("a redirect repeats host and target, and nothing that is sent leaves its field")
def _(mode):
    config = ("[response]\nstatus = 301\nheader = Location: https://${host}${target}\nheader = X-Path: ${path}\n"
              "header = X-Query: ${query}\n")
    with daemon(mode, config=config) as d, Client(d.address) as c:
        for target, host, location in (
                (b"/a/b?c=d", b"example.org:8080", "https://example.org/a/b?c=d"),
                (b"//evil.example/a", b"example.org", "https://example.org/evil.example/a"),
                (b"/\\evil.example/a", b"example.org", "https://example.org/evil.example/a"),
                (b"/%0d%0aSet-Cookie:%20a=b", b"example.org", "https://example.org/%0d%0aSet-Cookie:%20a=b"),
                (b'/"`|{}^\\?"', b"example.org", "https://example.org/%22%60%7C%7B%7D%5E%5C?%22"),
                (b"http://other.example/x?", b"example.org", "https://other.example/x?"),
                (b"/", b"[::1]:80", "https://[::1]/")):
            for method, body in ((b"GET", b""), (b"PUT", b"content")):
                c.send(method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: %d\r\n\r\n" %
                       len(body) + body)
                status, fields, _ = c.response()
                equal((status, fields["location"]), (301, location), target)
                equal(sorted(set(fields)), ["content-length", "content-type", "date", "location", "x-path", "x-query"])


@protocol("a file turns a route on and off without a reload, under a connection that stays")
def _(mode):
    config = "[response]\nbody = on\n[route /*]\nenable_if_exists = off\nstatus = 503\n[route /health]\nbody = ok\n"
    with daemon(mode, "server.workers=2", config=config) as d, Client(d.address) as c:
        for _ in range(3):
            equal(c.ask()[0], 200)
            open(d.directory + "/off", "w").close()
            until(lambda: c.ask()[0] == 503, "on")
            c.send(request(target=b"/health"))
            equal(c.response()[2], b"ok")
            os.unlink(d.directory + "/off")
            until(lambda: c.ask()[0] == 200, "off")
        for line in ("off is there", "off is gone"):     # the log has a thread of its own, and is behind the answers
            d.wait_said(line, 3)
            equal(len(d.said(line)), 3, line)


@protocol("maintenance goes before every route, and a reload finds the file where it is")
def _(mode):
    config = "[route /*]\nbody = a\n[maintenance]\nenable_if_exists = maintenance\nbody = later\n"
    with daemon(mode, config=config) as d, Client(d.address) as c:
        equal(c.ask()[2], b"a")
        open(d.directory + "/maintenance", "w").close()
        until(lambda: c.ask()[2] == b"later", "on")
        equal(c.ask()[0], 503)
        d.reload(config.replace("body = a", "body = b"), "configuration 2 is in force")
        equal(c.ask()[2], b"later")
        os.unlink(d.directory + "/maintenance")
        until(lambda: c.ask()[2] == b"b", "off")


@protocol("a page from a file has validators, which conditions are judged by, and a compressed copy")
def _(mode):
    config = "[response]\nbody_file = page.html\ngzip = yes\nheader = Cache-Control: no-cache\n"
    page = b"<p>" + b"some text " * 1000
    with tempfile.TemporaryDirectory(prefix="reactord-") as there:
        with open(there + "/page.html", "wb") as file:
            file.write(page)
        with daemon(mode, config=config.replace("page.html", there + "/page.html")) as d, Client(d.address) as c:
            status, fields, body = c.ask()
            equal((status, body, fields["vary"]), (200, page, "Accept-Encoding"))
            tag, date = fields["etag"].encode(), fields["last-modified"].encode()
            status, fields, body = c.ask(more=b"Accept-Encoding: br, gzip\r\n")
            equal((status, fields["content-encoding"], fields["vary"]), (200, "gzip", "Accept-Encoding"))
            equal(zlib.decompress(body, 31), page)
            small = fields["etag"].encode()
            for more, expected in (
                    (b"If-None-Match: " + tag, 304), (b"If-None-Match: " + small, 200),
                    (b"If-None-Match: W/" + tag + b", \"x\"", 304),
                    (b"If-None-Match: " + small + b"\r\nAccept-Encoding: gzip", 304),
                    (b"If-Modified-Since: " + date, 304), (b"If-Match: \"x\"", 412), (b"If-Match: " + tag, 200),
                    (b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 412)):
                c.send(request(more=more + b"\r\n"))
                status, fields, _ = c.response(head_only=True) if expected == 304 else c.response()
                equal(status, expected, more)
                if status == 304:
                    equal("content-type" in fields, False)
                    equal((fields["cache-control"], fields["vary"]), ("no-cache", "Accept-Encoding"))
            with open(there + "/page.html", "ab") as file:
                file.write(b"more")
            d.signal(signal.SIGHUP)
            d.wait_said("configuration 2 is in force")
            equal(c.ask(more=b"If-None-Match: " + tag + b"\r\n")[2], page + b"more")


@protocol("a thousand delayed answers wait at once, and none comes early")
def _(mode):
    config = "[route /slow]\ndelay = 700ms\nbody = slow\n"
    with daemon(mode, "server.workers=2", config=config) as d:
        clients = []
        for _ in range(1000):
            begun = time.monotonic()
            clients.append((Client(d.address), begun))
            clients[-1][0].send(request(target=b"/slow"))
        with Client(d.address) as c:
            c.hello()
        for c, begun in clients:
            equal(c.response()[2], b"slow")
            if time.monotonic() - begun < 0.7:
                raise AssertionError("too early")
            c.close()


@protocol("every error can have a page of its own")
def _(mode):
    pages = "".join("[error %d]\ncontent_type = text/x\nheader = X-Error: %d\nbody = page of %d\n" % (n, n, n)
                    for n in (400, 405, 412, 413, 414, 417, 421, 431, 501, 503, 505))
    config = pages + "[limits]\nmax_body = 10\n[route /busy]\nstatus = 503\n[route /own]\nstatus = 503\nbody = own\n"
    for raw, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
                        (request(more=b"If-Match: \"x\"\r\n"), 412), (request("PUT", body=b"x" * 11), 413),
                        (b"GET /" + b"x" * 9000, 414), (request("PUT", b"Expect: x\r\n"), 417),
                        (request(target=b"https://a/"), 421), (b"GET / HTTP/1.1\r\nA: " + b"x" * 40000, 431),
                        (request(more=b"Transfer-Encoding: x, chunked\r\n"), 501), (request(target=b"/busy"), 503),
                        (b"GET / HTTP/2.0\r\n\r\n", 505)):
        with daemon(mode, config=config) as d, Client(d.address) as c:
            c.send(raw)
            got, fields, body = c.response()
            equal((got, fields["content-type"], fields["x-error"], body),
                  (status, "text/x", str(status), b"page of %d" % status))
    with daemon(mode, config=config) as d, Client(d.address) as c:
        c.send(request(target=b"/own"))
        equal(c.response()[2], b"own")


# --- reload and stop -------------------------------------------------------------------------------------------------

@protocol("SIGHUP puts a new configuration in force for the next request of a connection")
def _(mode):
    with daemon(mode, "server.workers=2", config="[response]\nbody = one\n") as d, Client(d.address) as c:
        equal(c.ask()[2], b"one")
        for i in range(20):
            d.reload("[response]\nbody = %d\n" % i, "configuration %d is in force" % (i + 2))
            equal(c.ask()[2], b"%d" % i)
        d.reload("[limits]\nmax_body = 10\n", "configuration 22 is in force")
        equal(c.ask("POST", body=b"x" * 11)[0], 413)


@test("--reload signals no process that is no reactord")
def _():
    with subprocess.Popen(["sleep", "60"]) as bystander:
        status, _, errors = run("--reload", str(bystander.pid))
        bystander.terminate()
        equal((status, errors), (1, "reactord: process %d is no reactord: it is not signalled\n" % bystander.pid))
        equal(bystander.wait(PATIENCE_S), -signal.SIGTERM, "what it ended of")


@protocol("a bad file keeps the old configuration, and the log says why")
def _(mode):
    with daemon(mode, config="[response]\nbody = one\n") as d, Client(d.address) as c:
        d.reload("[response]\nbody = two\nstaus = 1\n", "refused")
        equal(len(d.said(re.escape(d.config_file) + ":3:")), 1)
        equal(c.ask()[2], b"one")
        d.reload("[response]\nbody = three\n", "configuration 2 is in force")
        equal(c.ask()[2], b"three")


@protocol("a reload that changes the server section is refused")
def _(mode):
    with daemon(mode, config="[response]\nbody = one\n[server]\nbacklog = 100\n") as d, Client(d.address) as c:
        d.reload("[response]\nbody = two\n[server]\nbacklog = 200\n", "refused")
        equal(len(d.said("server.backlog")) > 0, True)
        equal(c.ask()[2], b"one")
        d.reload("[response]\nbody = two\n[server]\nbacklog = 100\ndrain_timeout = 1s\n", "is in force")
        equal(c.ask()[2], b"two")


@protocol("a body that is on its way is finished from the bytes it was begun with")
def _(mode):
    old = "[response]\nbody_file = %s\n" % large_file(5)
    with daemon(mode, "server.workers=2", config=old) as d, Client(d.address, receive_buffer=4096) as c:
        c.send(request() * 2)
        equal(c.file.read(8), b"HTTP/1.1")
        for i in range(3):
            d.reload("[response]\nbody = new %d\n" % i, "configuration %d is in force" % (i + 2))
        while c.file.readline() != b"\r\n":
            pass
        equal(hashlib.sha256(c.file.read(5 << 20)).digest(), hashlib.sha256(large_body(5)).digest(), "digest")
        equal(c.response()[2], b"new 2")


@protocol("SIGTERM answers the request in progress, closes idle connections and exits with 0")
def _(mode):
    for number in (signal.SIGTERM, signal.SIGINT):
        with daemon(mode, "server.workers=1") as d:     # with two, the other may hear of it a little later
            with Client(d.address) as busy, Client(d.address) as half, Client(d.address) as idle:
                idle.hello()
                busy.hello()
                busy.send(request("POST", b"Content-Length: 10\r\n") + b"abc")
                half.send(b"GET / HTTP/1.1\r\n")
                until(lambda: d.count_fds() == d.fds + 3, "accepted")
                d.signal(number)
                idle.assert_end()
                busy.send(b"defghij")
                half.send(b"Host: x\r\n\r\n")
                for c in (busy, half):
                    status, fields, body = c.response()
                    equal((status, fields["connection"], body), (200, "close", b"Hello"))
                    c.assert_end()
            d.wait_exit()


@protocol("a client that comes while it stops is refused at once, not kept waiting")
def _(mode):
    with daemon(mode, "server.drain_timeout=60s") as d, Client(d.address) as half:
        half.send(b"GET / HTTP/1.1\r\n")
        until(lambda: d.count_fds() == d.fds + 1, "accepted")
        d.signal(signal.SIGTERM)
        d.wait_said("SIGTERM: stopping")

        def refused():
            try:
                Client(d.address).close()
            except ConnectionRefusedError:
                return True
            return False
        until(refused, "refused")
        half.send(b"Host: x\r\n\r\n")
        equal(half.response()[2], b"Hello")
        d.wait_exit()


@protocol("a body that is on its way is sent to its end when it stops")
def _(mode):
    with daemon(mode, "response.body_file=" + large_file(5)) as d, Client(d.address, receive_buffer=4096) as c:
        c.send(request())
        equal(c.file.read(1), b"H")
        d.signal(signal.SIGTERM)
        d.wait_said("SIGTERM: stopping")
        equal(len(c.file.read()) > 5 << 20, True, "all of it")
        d.wait_exit()


@protocol("a request that is never finished delays the stop until drain_timeout, or a second signal")
def _(mode):
    for second in (False, True):
        with daemon(mode, "server.drain_timeout=%s" % ("60s" if second else "200ms")) as d, Client(d.address) as c:
            c.send(b"GET / HTTP/1.1\r\n")
            until(lambda: d.count_fds() == d.fds + 1, "accepted")
            d.signal(signal.SIGTERM)
            if second:
                d.wait_said("SIGTERM: stopping")
                d.signal(signal.SIGTERM)
            d.wait_exit()
            c.assert_gone()


@protocol("no request is lost when it stops under load")
def _(mode):
    with daemon(mode, "server.workers=2") as d:
        failures = []

        def ask_on():
            answered = 0
            try:
                with Client(d.address) as c:
                    while True:
                        c.send(request())
                        line = c.file.peek(1)
                        if not line:        # closed while idle: the request was not read, it may be sent elsewhere
                            break
                        status, fields, body = c.response()
                        equal((status, body), (200, b"Hello"))
                        answered += 1
                        if fields.get("connection") == "close":
                            c.assert_end()
                            break
            except ConnectionError:         # the same, and the request came after the close
                pass
            except BaseException as error:
                failures.append(repr(error))
            if not answered:
                failures.append("nothing was answered")
        threads = [threading.Thread(target=ask_on) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: d.count_fds() == d.fds + 8, "all connected")
        d.signal(signal.SIGTERM)
        d.wait_exit()
        for thread in threads:
            thread.join(PATIENCE_S)
        equal(failures, [])


# --- other people's clients ------------------------------------------------------------------------------------------

def tool(d, *command):
    done = subprocess.run(command, cwd=d.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    text = done.stdout.decode(errors="replace")
    equal(done.returncode, 0, text)
    return text


@protocol("wrk finds no error")
def _(mode):
    needs("wrk")
    with daemon(mode, "server.workers=2") as d:
        text = tool(d, "wrk", "-t2", "-c64", "-d1s", "http://%s:%d/" % d.address)
        equal(re.findall("Non-2xx.*|Socket errors.*", text), [], text)
        equal(int(re.search(r"(\d+) requests in", text).group(1)) > 100, True, text)


@protocol("wrk finds no error with sixteen requests in a pipeline")
def _(mode):
    needs("wrk")
    with daemon(mode, "server.workers=2") as d:
        with open(d.directory + "/pipeline.lua", "w") as file:
            file.write("init = function(args)\n\tlocal r = {}\n"
                       "\tfor i = 1, 16 do r[i] = wrk.format(nil, '/?' .. i) end\n"
                       "\treq = table.concat(r)\nend\nrequest = function() return req end\n"
                       "response = function(status, headers, body)\n"
                       "\tif status ~= 200 or body ~= 'Hello' then print('WRONG', status, body) end\nend\n")
        text = tool(d, "wrk", "-t2", "-c64", "-d1s", "-s", "pipeline.lua", "http://%s:%d/" % d.address)
        equal(re.findall("Non-2xx.*|Socket errors.*|WRONG.*", text), [], text)
        equal(int(re.search(r"(\d+) requests in", text).group(1)) > 100, True, text)


@protocol("ab finds no error, with and without keep-alive")
def _(mode):
    needs("ab")
    with daemon(mode, "server.workers=2") as d:
        for keep in (["-k"], []):
            text = tool(d, "ab", *keep, "-q", "-n", "3000", "-c", "32", "http://%s:%d/" % d.address)
            equal(re.search(r"Complete requests:\s+(\d+)", text).group(1), "3000", text)
            equal(re.search(r"Failed requests:\s+(\d+)", text).group(1), "0", text)
            equal(re.search(r"Keep-Alive requests:\s+(\d+)", text + "Keep-Alive requests: 0").group(1),
                  "3000" if keep else "0", text)
            equal("Non-2xx" in text, False, text)


@protocol("h2load finds no error with HTTP/1.1")
def _(mode):
    needs("h2load")
    with daemon(mode, "server.workers=2") as d:
        text = tool(d, "h2load", "--h1", "-n", "5000", "-c", "32", "-m", "16", "http://%s:%d/" % d.address)
        equal("5000 succeeded, 0 failed, 0 errored, 0 timeout" in text, True, text)


@protocol("python's http.client is content")
def _(mode):
    with daemon(mode) as d:
        connection = http.client.HTTPConnection(*d.address, timeout=PATIENCE_S)
        for method, body in (("GET", None), ("POST", b"x" * 100000), ("HEAD", None),
                             ("PUT", iter([b"a", b"b" * 70000]))):
            connection.request(method, "/path?query", body=body, encode_chunked=method == "PUT",
                               headers={"Transfer-Encoding": "chunked"} if method == "PUT" else {})
            response = connection.getresponse()
            equal((response.status, response.read()), (200, b"" if method == "HEAD" else b"Hello"), method)
        connection.close()


# --------------------------------------------------------------------------------------------------------------------

def main():
    chosen = [t for t in tests if len(sys.argv) < 2 or any(part in t[0] for part in sys.argv[1:])]
    failed = 0
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    print("1..%d" % len(chosen), flush=True)
    for number, (name, function, arguments) in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            function(*arguments)
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as why:
            print("ok %d - %s # SKIP %s" % (number, name, why), flush=True)
        except BaseException as error:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print("not ok %d - %s" % (number, name), flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
        if "INTEGRATION_TIMES" in os.environ:
            print("# %.2f s" % (time.monotonic() - began), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="reactord-") as scratch:
        os.chmod(scratch, 0o755)
        sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""RFC 9110 and RFC 9112 as they bind an origin server: a table of bytes and of the answers that they must get.

Run by `make check` with the program's path in $REACTORD; prints TAP.  Arguments choose rows by a part of their name.
With $INTEGRATION_TIMES set, it says how long the table took.

A row is one or more exchanges: bytes, and the answers to read before the next bytes are sent.  Each row is judged with
its bytes in one write, in two writes split at every place (a long one: at many), and byte by byte; all must get the
same.  A split that the daemon does not see tests nothing, so these go over a unix socket, whose sender can tell that
what it sent was received (SIOCOUTQ); the next bytes are sent then.  One write, and single bytes as fast as they go, are
also sent over TCP.  That a connection is kept is shown by a last request on it, which must be the next to be answered;
that it is ended, by reading to its end, which must not be a reset.

Every answer is read by the letter: see judge_final().  The conversations are generators that one loop over epoll
resumes, a hundred at a time; a thread for each was rejected, since there are tens of thousands of them.
"""

import calendar
import collections
import contextlib
import copy
import fcntl
import os
import re
import resource
import select
import socket
import struct
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True      # the source tree may not be ours to write to
import integration  # noqa: E402

AT_ONCE = 128
EVERY_SPLIT_MAX = 400   # a longer row is split at some places only
MAX_BODY = 1000

PAGE = b"<p>A page that is long enough to become smaller when it is compressed.</p>\n" * 20
PAGE_TIME = 1700000000      # Tue, 14 Nov 2023 22:13:20 GMT
ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
STATUSES = [200, 201, 202, 203, 204, 205, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403,
            404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 423, 424, 425, 426, 428, 429,
            431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 511, 299, 399, 499, 599]
DEMANDED = {401: "WWW-Authenticate: Basic realm=\"a\"", 407: "Proxy-Authenticate: Basic realm=\"a\"",
            426: "Upgrade: TLS/1.2, HTTP/1.1"}

CONFIG = """
[server]
workers = 1
[limits]
max_body = %d
header_timeout = 60s
body_timeout = 60s
write_timeout = 60s
[route /probe]
body = probe
[route /what]
header = X-Host: ${host}
header = X-Target: ${target}
[route b.example/where]
body = b
[route /where]
body = any
[route /page]
body_file = page.html
[route /packed]
body_file = page.html
gzip = yes
[route /get]
methods = GET
body = got
[route /get-or-501]
methods = GET, PROPFIND
other_methods = 501
body = got
[route /options]
methods = OPTIONS, POST
body = asked
[route /moved]
status = 307
header = Location: http://a/
[route /refused]
status = 403
[route /down]
status = 503
header = Retry-After: 1
[route /soon]
delay = 20ms
body = soon
""" % MAX_BODY + "".join("[route /status/%d]\nstatus = %d\n%s\n" %
                         (s, s, "header = " + DEMANDED[s] if s in DEMANDED else "") for s in STATUSES)


# --- rows ------------------------------------------------------------------------------------------------------------

class Answer:
    """What is expected.  fields: by name in small letters; a value of None means that there is no such field."""
    def __init__(self, status, content=None, head=False, connection="", **fields):
        self.status, self.content, self.head, self.connection = status, content, head, connection
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


Row = collections.namedtuple("Row", "name exchanges ends half glued")
Exchange = collections.namedtuple("Exchange", "data answers behind")
rows = []
names = set()


def as_bytes(data):
    return data if isinstance(data, bytes) else data.encode("latin-1")


def add(section, name, exchanges, ends, half=False, glued=(), behind=""):
    made = []
    for data, answers in exchanges:
        answers = [Answer(a) if isinstance(a, int) else copy.copy(a) for a in answers]
        made.append(Exchange(as_bytes(data), answers, b""))
    made[-1] = made[-1]._replace(behind=as_bytes(behind))
    if ends and not half:
        made[-1].answers[-1].connection = "close"
    name = "%s: %s" % (section, name)
    if name in names:
        raise ValueError("two rows have one name: " + name)
    names.add(name)
    rows.append(Row(name, made, ends, half, glued))


def kept(section, name, data, *answers, **more):
    """All answers come, and the connection stays.  glued: places where to split would change what is right."""
    add(section, name, [(data, answers or [200])], False, **more)


def ended(section, name, data, *answers, **more):
    """The last answer says close, and the connection ends.  behind: sent with the last byte, and not served."""
    add(section, name, [(data, answers or [400])], True, **more)


def talk(section, name, *exchanges, ends=False, **more):
    add(section, name, exchanges, ends, **more)


def request(*fields, line="GET / HTTP/1.1", host="Host: a", content=""):
    return "\r\n".join([line] + ([host] if host is not None else []) + list(fields)) + "\r\n\r\n" + content


def post(*fields, content="", target="/"):
    return request(*fields, line="POST %s HTTP/1.1" % target, content=content)


def chunked(content, *fields, target="/"):
    return post("Transfer-Encoding: chunked", *fields, content=content, target=target)


NEXT = request(line="GET /probe HTTP/1.1")
PROBE = request("Connection: close", line="GET /probe HTTP/1.1").encode()
HELLO = Answer(200, b"Hello")
NEXT_ANSWER = Answer(200, b"probe")


# --- reading answers -------------------------------------------------------------------------------------------------

class Wrong(Exception):
    pass


def claim(condition, what, *about):
    if not condition:
        raise Wrong(what % about)


STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*")
FIELD_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)")
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
IMF_FIXDATE = re.compile("(%s), (\\d\\d) (%s) (\\d{4}) (\\d\\d):(\\d\\d):(\\d\\d) GMT" % ("|".join(DAYS),
                                                                                          "|".join(MONTHS)))


def seconds_of(date):
    match = IMF_FIXDATE.fullmatch(date)
    claim(match, "no IMF-fixdate: %r", date)
    day, month, year, hour, minute, second = (int(match.group(2)), MONTHS.index(match.group(3)) + 1,
                                              *map(int, match.group(4, 5, 6, 7)))
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    claim(DAYS[time.gmtime(seconds).tm_wday] == match.group(1), "another day of the week: %r", date)
    return seconds


def read_head(head):
    """Status and fields, each a list of values, by names in small letters."""
    lines = head.decode("latin-1").split("\r\n")
    match = STATUS_LINE.fullmatch(lines[0])
    claim(match, "status line %r", lines[0])
    fields = {}
    for line in lines[1:]:
        field = FIELD_LINE.fullmatch(line)
        claim(field, "field line %r", line)
        fields.setdefault(field.group(1).lower(), []).append(field.group(2))
    return int(match.group(1)), fields


def judge_final(status, fields, expected, began):
    """What every answer must have (RFC 9110 6.6.1, 8.6, 7.6.1, 15.5.6), and what this one must."""
    claim(len(fields.get("date", ())) == 1, "not one Date: %r", fields)
    date = seconds_of(fields["date"][0])
    claim(began - 1 <= date <= time.time(), "the wrong second: %r, began at %d", fields["date"], began)
    claim("transfer-encoding" not in fields, "Transfer-Encoding: %r", fields)
    lengths = fields.get("content-length", [])
    if status in (204, 304):
        claim(not lengths, "Content-Length with %d", status)
    else:
        claim(len(lengths) == 1 and re.fullmatch(r"0|[1-9]\d*", lengths[0]), "not one Content-Length: %r", lengths)
    tokens = [t.strip().lower() for value in fields.get("connection", ()) for t in value.split(",")]
    claim(("upgrade" in tokens) == ("upgrade" in fields), "Upgrade and Connection disagree: %r", fields)
    tokens = [t for t in tokens if t != "upgrade"]
    claim(tokens == [t for t in [expected.connection] if t], "Connection is %r, not %r", tokens, expected.connection)
    if status == 405:
        claim("allow" in fields, "405 without Allow")
    for name in ("date", "content-type", "etag", "last-modified", "location", "allow", "vary"):
        claim(len(fields.get(name, ())) < 2, "%s twice", name)
    for name, value in expected.fields.items():
        got = ", ".join(fields[name]) if name in fields else None
        claim(got == value, "%s is %r, not %r", name, got, value)
    return 0 if expected.head or status in (204, 304) else int(lengths[0])


# --- a conversation --------------------------------------------------------------------------------------------------

def is_received(client):
    """Whether the other side of a unix socket has received all that was sent.  The last byte of the account is the
    kernel's own, while it wakes us; what is really there counts for hundreds."""
    return struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, b"\0\0\0\0"))[0] <= 1


class Conversation:
    """One row in one way.  run() is a generator: it yields when the socket has nothing for it to do."""

    def __init__(self, row, way, pieces):
        self.row, self.way, self.pieces = row, way, pieces
        self.socket = None
        self.buffer = b""
        self.over = False       # the other side has sent its last byte

    def run(self, address, proven):
        self.began = int(time.time())
        client = self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        client.setblocking(False)
        if not isinstance(address, str):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                client.connect(address)
                break
            except BlockingIOError:     # a unix listener's queue is full
                yield "again"
            except InterruptedError:
                continue
        yield "watch"
        for exchange, pieces in zip(self.row.exchanges, self.pieces):
            for i, piece in enumerate(pieces):
                yield from self.send(piece)
                while proven and i + 1 < len(pieces) and not self.over and not is_received(client):
                    if not self.receive():
                        yield
            if self.row.half and exchange is self.row.exchanges[-1]:
                client.shutdown(socket.SHUT_WR)
            for expected in exchange.answers:
                yield from self.read_answer(expected)
        if not self.row.ends:
            yield from self.send(PROBE)
            yield from self.read_answer(Answer(200, b"probe", connection="close"))
        while not self.over:
            if not self.receive():
                yield
        claim(not self.buffer, "behind the last answer: %.200r", self.buffer)

    def send(self, data):
        while data and not self.over:
            try:
                data = data[self.socket.send(data):]
            except BlockingIOError:
                if not self.receive():
                    yield
            except (BrokenPipeError, ConnectionResetError):     # it has answered and ended: that will be judged
                claim(self.row.ends, "the connection has ended")
                return

    def receive(self):
        """Whether something came, be it the end."""
        if self.over:
            return False
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        self.buffer += data
        self.over = not data
        return True

    def read_answer(self, expected):
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            claim(not self.over, "the end, not %d; before it: %.200r", expected.status, self.buffer)
            if not self.receive():
                yield
        status, fields = read_head(self.buffer[:end])
        claim(status == expected.status, "%d, not %d", status, expected.status)
        self.buffer = self.buffer[end + 4:]
        if status == 100:
            claim(not fields, "fields in an interim answer: %r", fields)
            return
        length = judge_final(status, fields, expected, self.began)
        while len(self.buffer) < length:
            claim(not self.over, "the end in the content of %d", status)
            if not self.receive():
                yield
        content, self.buffer = self.buffer[:length], self.buffer[length:]
        if expected.content is not None:
            claim(content == expected.content, "content %.100r", content)


def places(data, glued):
    """Where to split."""
    size = len(data)
    if size <= EVERY_SPLIT_MAX:
        chosen = range(1, size)
    else:
        chosen = set(range(1, 40)) | set(range(size - 40, size)) | set(range(1, size, size // 30))
        ends = [match.start() for match in re.finditer(b"\r\n", data)]
        for end in ends[:8] + ends[-8:]:
            chosen.update(range(end - 1, end + 4))
    return [place for place in sorted(chosen) if 0 < place < size and place not in glued]


def cut(exchange, at):
    """The pieces between the places, and what goes with the last byte."""
    edges = [0, *at, len(exchange.data)]
    pieces = [exchange.data[a:b] for a, b in zip(edges, edges[1:])]
    pieces[-1] += exchange.behind
    return pieces


def one_write(row):
    return Conversation(row, "in one write", [cut(e, []) for e in row.exchanges])


def dripped(row):
    """Byte by byte; a long one in some hundred pieces."""
    chosen = [[p for p in (range(1, len(e.data)) if len(e.data) <= EVERY_SPLIT_MAX else places(e.data, ()))
               if p not in row.glued] for e in row.exchanges]
    return Conversation(row, "in pieces", [cut(e, at) for e, at in zip(row.exchanges, chosen)])


def splits(row):
    whole = [cut(e, []) for e in row.exchanges]
    for n, exchange in enumerate(row.exchanges):
        for place in places(exchange.data, row.glued if n == 0 else ()):
            pieces = whole[:n] + [cut(exchange, [place])] + whole[n + 1:]
            yield Conversation(row, "split behind %r" % exchange.data[max(0, place - 12):place], pieces)


# --- all of them -----------------------------------------------------------------------------------------------------

class Talks:
    """Runs conversations, AT_ONCE at a time, and notes what was wrong by row."""

    def __init__(self, faults):
        self.faults = faults
        self.epoll = select.epoll()
        self.running = {}       # by descriptor: conversation, generator
        self.count = 0

    def step(self, conversation, generator):
        """Runs it until it waits."""
        try:
            while True:
                word = next(generator)
                if word == "watch":     # edges: each is followed by another attempt at what could not be done
                    self.epoll.register(conversation.socket, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP |
                                        select.EPOLLET)
                    self.running[conversation.socket.fileno()] = conversation, generator
                elif word == "again":
                    return False
                else:
                    return True
        except StopIteration:
            pass
        except (Wrong, OSError) as error:
            self.fault(conversation, error)
        self.end(conversation)
        return True

    def fault(self, conversation, error):
        self.faults.setdefault(conversation.row.name, []).append("%s: %s" % (conversation.way, error or repr(error)))

    def end(self, conversation):
        self.running.pop(conversation.socket.fileno(), None)
        conversation.socket.close()

    def run(self, conversations, address, proven):
        waiting = collections.deque()
        conversations = iter(conversations)
        more = True
        while more or waiting or self.running:
            while more and len(self.running) + len(waiting) < AT_ONCE:
                conversation = next(conversations, None)
                if conversation is None:
                    more = False
                    break
                self.count += 1
                waiting.append((conversation, conversation.run(address, proven)))
            for _ in range(len(waiting)):
                if not self.step(*waiting[0]):
                    break
                waiting.popleft()
            if not self.running:
                continue
            events = self.epoll.poll(0 if waiting else integration.PATIENCE_S)
            if not events and not waiting:
                for conversation, _ in list(self.running.values()):
                    self.fault(conversation, "nothing happens any more; came so far: %.200r" % conversation.buffer)
                    self.end(conversation)
            for fd, _ in events:
                if fd in self.running:
                    self.step(*self.running[fd])


@contextlib.contextmanager
def serving(executor):
    with tempfile.TemporaryDirectory(prefix="reactord-") as directory:
        os.chmod(directory, 0o755)
        with open(directory + "/page.html", "wb") as page:
            page.write(PAGE)
        os.utime(directory + "/page.html", (PAGE_TIME, PAGE_TIME))
        daemon = integration.Daemon(directory, ["server.executor=" + executor], config=CONFIG,
                                    listen=["127.0.0.1:0", directory + "/http.sock"])
        try:
            yield daemon
            daemon.stop()
        finally:
            daemon.kill()
            daemon.process.stdout.close()


def judge(daemon, chosen, every_way, faults):
    """Returns how many conversations that took."""
    tcp, unix = daemon.addresses
    talks = Talks(faults)
    talks.run((one_write(row) for row in chosen), tcp, False)
    if every_way:
        talks.run((dripped(row) for row in chosen), tcp, False)
        talks.run((way for row in chosen for way in (one_write(row), dripped(row), *splits(row))), unix, True)
    return talks.count


# --- the table -------------------------------------------------------------------------------------------------------

def lines():
    """What ends a line, and what does not."""
    kept("9112 2.2", "an empty line before the request line is skipped", "\r\n" + request(), HELLO)
    kept("9112 2.2", "two empty lines before the request line are skipped", "\r\n\r\n" + request(), HELLO)
    kept("9112 2.2", "an empty line between requests is skipped", request() + "\r\n" + request(), HELLO, HELLO)
    kept("9112 2.2", "an empty line behind content is skipped",
         post("Content-Length: 3", content="abc") + "\r\n" + request(), HELLO, HELLO)
    kept("9112 2.2", "an empty line behind chunked content is skipped", chunked("0\r\n\r\n") + "\r\n" + request(),
         HELLO, HELLO)
    for what, data in (
            ("a lone LF before the request line", "\n" + request()),
            ("a lone CR before the request line", "\r" + request()),
            ("CR CR LF before the request line", "\r\r\n" + request()),
            ("SP before the request line", " " + request()),
            ("HTAB before the request line", "\t" + request()),
            ("SP CR LF before the request line", " \r\n" + request()),
            ("a lone LF behind an empty line", "\r\n\n" + request()),
            ("a lone LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
            ("a lone CR behind the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
            ("CR CR LF behind the request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
            ("LF CR behind the request line", "GET / HTTP/1.1\n\rHost: a\r\n\r\n"),
            ("CR SP LF behind the request line", "GET / HTTP/1.1\r \nHost: a\r\n\r\n"),
            ("NUL CR LF behind the request line", "GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"),
            ("a head with LF alone", "GET / HTTP/1.1\nHost: a\n\n"),
            ("a head with CR alone", "GET / HTTP/1.1\rHost: a\r\r"),
            ("a lone LF behind a field line", "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n"),
            ("a lone CR behind a field line", "GET / HTTP/1.1\r\nHost: a\rA: b\r\n\r\n"),
            ("CR CR LF behind a field line", "GET / HTTP/1.1\r\nHost: a\r\r\nA: b\r\n\r\n"),
            ("a lone LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
            ("a lone CR as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rGET "),
            ("CR CR LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
            ("two LF behind the last field line", "GET / HTTP/1.1\r\nHost: a\n\n"),
            ("a lone LF as the empty line of a POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\nabc"),
            ("a lone LF that hides a Content-Length", request("A: b\nContent-Length: 5")),
            ("a lone LF that hides a Transfer-Encoding", request("A: b\nTransfer-Encoding: chunked")),
            ("a lone CR that hides a Transfer-Encoding", request("A: b\rTransfer-Encoding: chunked")),
            ("another byte for the LF behind the request line", "GET / HTTP/1.1\rXHost: a\r\n\r\n"),
            ("another byte for the LF behind a field line", request("A: b\rXC: d")),
            ("another byte for the LF of the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX"),
            ("SP before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
            ("HTAB before the first field", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
            ("a line of SP before the fields", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
            ("a UTF-8 byte order mark", "\xef\xbb\xbf" + request()),
            ("NUL before the request line", "\0" + request())):
        ended("9112 2.2", what + " is refused", data)
    ended("9112 2.2", "a TLS greeting gets 400",
          b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(range(32)) + b"\0\0\x02\x13\x01\x01\0\0\0")
    ended("9112 2.2", "an old SSL greeting gets 400",
          b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(range(16)))
    ended("9112 2.2", "a greeting of SOCKS gets 400", b"\x05\x01\x00")
    ended("9112 2.2", "the PROXY protocol gets 400", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + request())
    ended("9112 2.2", "SSH gets 400", "SSH-2.0-OpenSSH_9.2\r\n")
    ended("9113 3.4", "the preface of HTTP/2 gets 400", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")


def versions():
    kept("9110 2.5", "HTTP/1.2 is served as 1.1", request(line="GET / HTTP/1.2"), HELLO)
    kept("9110 2.5", "HTTP/1.9 is served as 1.1", request(line="GET / HTTP/1.9"), HELLO)
    ended("9112 3.2", "HTTP/1.2 without Host gets 400", request(line="GET / HTTP/1.2", host=None))
    for version in ("2.0", "3.0", "0.9", "0.0", "9.9", "2.9"):
        ended("9110 15.6.6", "HTTP/%s gets 505" % version, request(line="GET / HTTP/" + version), 505)
    ended("9110 15.6.6", "HTTP/2.0 without any field gets 505", "GET / HTTP/2.0\r\n\r\n", 505)
    ended("9110 15.6.6", "HEAD in HTTP/2.0 gets 505 without content", request(line="HEAD / HTTP/2.0"),
          Answer(505, head=True))
    for version in ("HTTP/1.10", "HTTP/1.", "HTTP/1", "HTTP/", "HTTP", "http/1.1", "Http/1.1", "HTTP/11", "HTTP/11.1",
                    "HTTP/01.1", "HTTP/1.01", "HTTP/1.1.1", "HTTP/1,1", "HTTP /1.1", "HTTP/ 1.1", "HTTP/1 .1",
                    "HTTP/1. 1", "HTTP/-1.1", "HTTP/+1.1", "HTTP/1.-1", "HTTP/1.1x", "HTTP/1.1;", "HTTP/a.b",
                    "HTTP/1.x", "HTTP/0x1.1", "HTTP-1.1", "HTTP\\1.1", "HTTPS/1.1", "HTP/1.1", "XHTTP/1.1", "ICY/1.1",
                    "SHTTP/1.4", "RTSP/1.0", "SIP/2.0", "1.1", "/1.1", "HTTP/\xb2.0", "HTTP/2", "HTTP/2.00",
                    "HTTP/1.1 ", "HTTP/1.1\t"):
        ended("9112 2.3", "the version %a gets 400" % version, request(line="GET / " + version))
    for line in ("GET /", "GET / ", "GET", "GET ", "GET /\t", "/ HTTP/1.1", "GET HTTP/1.1"):
        ended("9112 3", "the request line %a gets 400" % line, request(line=line))


def persistence():
    kept("9112 9.3", "1.1 persists", request(), HELLO)
    kept("9112 9.3.2", "a pipeline is answered in its order",
         request() + NEXT + request(line="HEAD / HTTP/1.1") + post("Content-Length: 3", content="abc") + NEXT,
         HELLO, NEXT_ANSWER, Answer(200, head=True), HELLO, NEXT_ANSWER)
    kept("9112 9.3.2", "a pipeline of twenty is answered", NEXT * 20, *[NEXT_ANSWER] * 20)
    kept("9112 9.3.2", "a delayed answer holds back those behind it", request(line="GET /soon HTTP/1.1") + NEXT,
         Answer(200, b"soon"), NEXT_ANSWER)
    ended("9112 9.3.2", "an error ends a pipeline, behind the answers before it", NEXT + NEXT + request("A : b"),
          NEXT_ANSWER, NEXT_ANSWER, 400, behind=NEXT)
    ended("9112 9.6", "nothing behind close is served", request("Connection: close"), HELLO, behind=NEXT * 3)
    ended("9112 9.6", "nothing behind close and content is served", post("Connection: close", "Content-Length: 3",
                                                                        content="abc"), HELLO, behind=NEXT)
    ended("9112 9.6", "close in the middle of a pipeline ends it", NEXT + request("Connection: close"), NEXT_ANSWER,
          HELLO, behind=NEXT)
    for value in ("close", "Close", "CLOSE", " close\t", "close,", ",close", ", ,\tclose ,,", "keep-alive, close",
                  "close, keep-alive", "a,close,b", "close,close", "Upgrade, close", "TE, close"):
        ended("9110 7.6.1", "Connection: %a closes" % value, request("Connection: " + value), HELLO)
    ended("9110 7.6.1", "all lines of Connection are one list", request("Connection: keep-alive",
                                                                        "Connection: close"), HELLO)
    ended("9110 7.6.1", "close wins also when it comes first", request("Connection: close", "Connection: keep-alive"),
          HELLO)
    ended("9110 5.1", "the name of Connection has no case", request("cOnNeCtIoN: close"), HELLO)
    for value in ("closed", "xclose", "close-x", "not-close", "clos", "c lose", "close=1", "\"close\"", "", ",",
                  ", ,", "keep-alive", "Keep-Alive, TE", "a, b, c", "X-Foo", "clo\tse"):
        kept("9110 7.6.1", "Connection: %a does not close 1.1" % value, request("Connection: " + value), HELLO)
    kept("9110 7.6.1", "Proxy-Connection means nothing", request("Proxy-Connection: close"), HELLO)
    kept("9110 7.6.1", "a field of the name close means nothing", request("Close: close", "A: close"), HELLO)
    kept("9110 7.6.1", "Keep-Alive means nothing", request("Keep-Alive: timeout=0, max=1"), HELLO)

    old = "GET / HTTP/1.0\r\n"
    again = Answer(200, b"Hello", connection="keep-alive")
    ended("9112 9.3", "1.0 ends", old + "\r\n", HELLO, behind=NEXT)
    ended("9112 9.3", "1.0 with Host ends", old + "Host: a\r\n\r\n", HELLO)
    for value in ("keep-alive", "Keep-Alive", "KEEP-ALIVE", "a, keep-alive", "keep-alive,", "TE,\tkeep-alive"):
        kept("9112 9.3", "1.0 with Connection: %a persists" % value, old + "Connection: %s\r\n\r\n" % value, again)
    kept("9112 9.3", "1.0 with keep-alive in its second line persists",
         old + "Connection: a\r\nConnection: keep-alive\r\n\r\n", again)
    kept("9112 9.3", "1.0 with keep-alive may be pipelined", (old + "Connection: keep-alive\r\n\r\n") * 3,
         *[again] * 3)
    kept("9112 9.3", "keep-alive is told to 1.0 with content", "POST / HTTP/1.0\r\nConnection: keep-alive\r\n"
         "Content-Length: 3\r\n\r\nabc", again)
    kept("9112 9.3", "keep-alive is told to HEAD in 1.0", "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         Answer(200, head=True, connection="keep-alive"))
    kept("9112 9.3", "1.0 and 1.1 may be mixed", old + "Connection: keep-alive\r\n\r\n" + NEXT, again, NEXT_ANSWER)
    kept("9112 9.3", "keep-alive in 1.1 is not echoed", request("Connection: keep-alive"), HELLO)
    for value in ("keep-alives", "keep_alive", "keepalive", "close", "keep-alive, close", "close, keep-alive", "",
                  "TE"):
        ended("9112 9.3", "1.0 with Connection: %a ends" % value, old + "Connection: %s\r\n\r\n" % value, HELLO)
    ended("9112 9.3", "Keep-Alive alone does not keep 1.0", old + "Keep-Alive: timeout=5\r\n\r\n", HELLO)
    ended("9112 C.2.2", "Proxy-Connection does not keep 1.0", old + "Proxy-Connection: keep-alive\r\n\r\n", HELLO)

    for what, data, answers in (
            ("one request", request(), [HELLO]),
            ("a pipeline", NEXT * 3, [NEXT_ANSWER] * 3),
            ("content", post("Content-Length: 3", content="abc"), [HELLO]),
            ("chunked content", chunked("3\r\nabc\r\n0\r\n\r\n"), [HELLO]),
            ("a request whose answer is delayed", request(line="GET /soon HTTP/1.1"), [Answer(200, b"soon")])):
        ended("9112 9.6", what + " behind which the client ends its side is answered", data, *answers, half=True)
    for what, data in (("the request line", "GET / HT"), ("the fields", "GET / HTTP/1.1\r\nHost: a\r\n"),
                       ("a field", "GET / HTTP/1.1\r\nHost: a\r\nA: b"),
                       ("the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r"),
                       ("content", post("Content-Length: 3", content="ab")),
                       ("content, before it", post("Content-Length: 3")), ("a chunk size", chunked("3")),
                       ("a chunk", chunked("3\r\nab")), ("the end of a chunk", chunked("3\r\nabc\r")),
                       ("chunks", chunked("3\r\nabc\r\n")), ("the last chunk", chunked("0\r\n")),
                       ("trailers", chunked("0\r\nA: b\r\n"))):
        ended("9112 8", "an end in %s gets 400" % what, data, Answer(400, connection="close"), half=True)


def targets():
    for target, told in (("/what", "/what"), ("/what?", "/what?"), ("/what?a=b&c=%20", "/what?a=b&c=%20"),
                         ("/what??b", "/what??b"), ("/what?/b", "/what?/b"), ("/%77hat", "/%77hat"),
                         ("/a/../what", "/a/../what"), ("/./what", "/./what"), ("//what", None), ("/what/", None),
                         ("/a/%2e%2E/what", "/a/%2e%2E/what"), ("/what?a=../b", "/what?a=../b"),
                         ("/../what", "/../what"), ("/WHAT", None), ("/what%2F", None), ("/what;a=b", None)):
        kept("3986 6.2.2", "the target %s is %s" % (target, "another" if told is None else "matched and repeated"),
             request(line="GET %s HTTP/1.1" % target), Answer(200, x_target=told))
    for target in ("/a:b", "/http://b/", "/@", "/a//b", "/-._~!$&'()*+,;=:@", "/%zz", "/%", "/?%", "/\"<>[]\\^`{|}",
                   "/?\"<>[]\\^`{|}", "/*", "/a%20b", "/" + "a" * 1000):
        kept("9112 3.2.1", "origin form %.40s is served" % target, request(line="GET %s HTTP/1.1" % target), HELLO)
    for target in ("what", "index.html", "?a=b", "*", "a:80", "a", "..", "\\", "#", "/#a", "/?a#b", "/a b", "/\t",
                   "/\x01", "/\x1f", "/\x7f", "/\xc3\xa9", "/?\xc3\xa9", "/\0", "/a\0b", "\"/\"", "/\x0b", "/\x0c",
                   "http:", "http:/", "http:/a", "http://", "http:a", "ftp://a/", "ws://a/", "file:///a",
                   "mailto:a@b", "urn:a:b", "http:///", "http:///a", "http://?a", "http://:80/", "https:///a",
                   "https://", "http://a@b/", "http://a:b@c/", "http://@a/", "https://a@b/", "http://a:b/",
                   "http://a:65536/", "http://a:-1/", "http://a:80:80/", "http://a\\b/", "http://a%4/", "http://a%/",
                   "http://[::1/", "http://::1/", "http://[]/", "http://[a]/", "http://[::1]a/", "http://a[::1]/",
                   "http://a/#b", "http://a#b", "http://a /", "http://a\x01/", "http://\xc3\xa9/",
                   "http://a/\xc3\xa9", "http://[::1%25eth0]/", "://a/"):
        ended("9112 3.2", "the target %a gets 400" % target, request(line="GET %s HTTP/1.1" % target))
    ended("9112 3", "two SP before the target get 400", request(line="GET  / HTTP/1.1"))
    ended("9112 3", "two SP behind the target get 400", request(line="GET /  HTTP/1.1"))
    ended("9112 3", "HTAB for SP gets 400", request(line="GET\t/ HTTP/1.1"))
    ended("9112 3", "HTAB behind the target gets 400", request(line="GET /\tHTTP/1.1"))
    ended("9112 3", "VT for SP gets 400", request(line="GET\x0b/ HTTP/1.1"))
    for target, host, told in (("http://b/what", "b", "/what"), ("http://b:80/what?c", "b", "/what?c"),
                               ("http://b:/what", "b", "/what"), ("HTTP://B/what", "B", "/what"),
                               ("hTTp://b/what", "b", "/what"), ("http://[::1]:80/what", "[::1]", "/what"),
                               ("http://127.0.0.1/what", "127.0.0.1", "/what"),
                               ("http://b/what?d?e", "b", "/what?d?e"),
                               ("http://b.example./what", "b.example.", "/what"), ("http://%62/what", "%62", "/what"),
                               ("http://b/what?@c", "b", "/what?@c")):
        kept("9112 3.2.2", "absolute form %s wins over Host" % target, request(line="GET %s HTTP/1.1" % target),
             Answer(200, x_host=host, x_target=told))
    kept("9112 3.2.2", "without an absolute target it is Host", request(line="GET /what HTTP/1.1"),
         Answer(200, x_host="a", x_target="/what"))
    kept("9112 3.2.2", "absolute form chooses the route", request(line="GET http://b.example/where HTTP/1.1"),
         Answer(200, b"b"))
    kept("9112 3.2.2", "absolute form with another port chooses the route",
         request(line="GET http://b.example:81/where HTTP/1.1", host="Host: c"), Answer(200, b"b"))
    kept("9112 3.2.2", "Host chooses no route when the target is absolute",
         request(line="GET http://c/where HTTP/1.1", host="Host: b.example"), Answer(200, b"any"))
    for target, told in (("/what?\"<>", "/what?%22%3C%3E"), ("/what?a%0d%0aX:b", "/what?a%0d%0aX:b"),
                         ("/what?^`{|}\\", "/what?%5E%60%7B%7C%7D%5C"), ("http://b//what", None),
                         ("/what?${host}", "/what?$%7Bhost%7D")):
        kept("9110 5.5", "a field repeats nothing of %s that a URI has not" % target,
             request(line="GET %s HTTP/1.1" % target), Answer(200, x_target=told, x=None))
    ended("9110 7.2", "a field that needs a host gets 400 in 1.0 without one", "GET /what HTTP/1.0\r\n\r\n")
    ended("9110 7.2", "a field that needs a host gets 400 with an empty one",
          request(line="GET /what HTTP/1.1", host="Host:"))
    ended("9110 15.5.15", "a target too long to be repeated gets 414",
          request(line="GET /what?%s HTTP/1.1" % ("{" * 7000)), 414)
    kept("9110 7.2", "Host chooses the route", request(line="GET /where HTTP/1.1", host="Host: B.Example:8080"),
         Answer(200, b"b"))
    kept("9110 7.2", "another Host chooses another", request(line="GET /where HTTP/1.1"), Answer(200, b"any"))
    kept("9110 4.2.3", "absolute form without a path is served", request(line="GET http://b HTTP/1.1"), HELLO)
    kept("9110 4.2.3", "absolute form with a query and no path is served", request(line="GET http://b?c/d HTTP/1.1"),
         HELLO)
    kept("9112 3.2.2", "absolute form with an empty Host is served", request(line="GET http://b/ HTTP/1.1",
                                                                             host="Host:"), HELLO)
    ended("9112 3.2.2", "absolute form without Host gets 400", request(line="GET http://b/ HTTP/1.1", host=None))
    ended("9112 3.2.2", "absolute form with a bad Host gets 400", request(line="GET http://b/ HTTP/1.1",
                                                                          host="Host: a b"))
    ended("9112 3.2.2", "absolute form with two Hosts gets 400", request("Host: b", line="GET http://b/ HTTP/1.1",
                                                                         host="Host: b"))
    ended("9112 3.2.2", "absolute form in 1.0 needs no Host", "GET http://b/ HTTP/1.0\r\n\r\n", HELLO)
    for target in ("https://a/", "https://a", "HTTPS://a/", "https://a:443/?b", "https://b.example/where"):
        ended("9110 7.4", "%s gets 421" % target, request(line="GET %s HTTP/1.1" % target), 421)
    ended("9110 7.4", "https with HEAD gets 421 without content", request(line="HEAD https://a/ HTTP/1.1"),
          Answer(421, head=True))
    ended("9110 7.4", "https with OPTIONS gets 421", request(line="OPTIONS https://a HTTP/1.1"), 421)
    ended("9110 7.4", "https in 1.0 gets 421", "GET https://a/ HTTP/1.0\r\n\r\n", 421)
    ended("9110 7.4", "https without Host gets 400", request(line="GET https://a/ HTTP/1.1", host=None))


def hosts():
    for value in ("www.example.com", "a:80", "a:", "a:0", "a:65535", "a:00080", "127.0.0.1", "127.0.0.1:8000",
                  "1.2.3.999", "a_b", "a.", "-._~!$&'()*+,;=%41%aF", "%41", "[::1]", "[::1]:80", "[::1]:", "[::]",
                  "[1:22:333:4444:a:B:c:D]", "[::ffff:127.0.0.1]", "[2001:db8::1]:443", "[v1.a]", "[vF.a:b~!]:80",
                  " a\t", "xn--bcher-kva.example", "A" * 255):
        kept("9110 7.2", "Host %.40a is served" % value, request(host="Host: " + value), HELLO)
    for value in ("", " ", "\t"):
        ended("9110 4.2.1", "an empty Host %r gets 400" % value, request(host="Host:" + value))
    kept("9112 3.2.2", "an empty Host is none beside an absolute target",
         request(line="GET http://a/ HTTP/1.1", host="Host:"), HELLO)
    kept("9112 5.1", "Host without a blank is served", request(host="Host:a"), HELLO)
    kept("9110 5.1", "the name of Host has no case", request(host="hOST: a"), HELLO)
    kept("9112 3.2", "Host may be the last field", request("A: b", "C: d", "Host: a", host=None), HELLO)
    for value in ("a b", "a\tb", "a, b", "a,b c", "user@a", "a/", "/", "http://a", "a?b", "a#b", "a\\b", "\"a\"",
                  "<a>", "{a}", "a|b", "a^b", "a`b", "\xc3\xa9", "a\x80", ":80", ":", "a:http", "a:-1", "a:+80",
                  "a:0x50", "a:80:80", "a:8 0", "a: 80", "a :80", "a:65536", "a:4294967376", "a:18446744073709551696",
                  "a:80/", "a%", "a%4", "a%zz", "%4g", "%%41", "::1", "[]", "[::1", "::1]", "[::1]a", "[::1]80",
                  "a[::1]", "[[::1]]", "[a.example]", "[127.0.0.1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[1:2:3]",
                  "[1:2:3:4:5:6:7:8:9]", "[12345::]", "[1::2::3]", "[::256.0.0.1]", "[ ::1]", "[::1 ]", "[v.a]",
                  "[v1a]", "[v1.]", "[v1.a/b]", "[::1]:a", "[::1]:65536", "a:80,b:80", "a;b c"):
        ended("9112 3.2", "Host %a gets 400" % value, request(host="Host: " + value))
    ended("9112 3.2", "1.1 without Host gets 400", request(host=None))
    ended("9112 3.2", "1.1 without any field gets 400", "GET / HTTP/1.1\r\n\r\n")
    ended("9112 3.2", "two Hosts get 400", request("Host: b"))
    ended("9112 3.2", "the same Host twice gets 400", request("Host: a"))
    ended("9112 3.2", "two empty Hosts get 400", request("Host:", host="Host:"))
    ended("9112 3.2", "a second, empty Host gets 400", request("host:"))
    ended("9112 3.2", "two Hosts apart get 400", request("A: b", "Host: a"))
    ended("9112 3.2", "two Hosts in 1.0 get 400", request("Host: b", line="GET / HTTP/1.0"))
    ended("9112 3.2", "a bad Host in 1.0 gets 400", request(host="Host: a b", line="GET / HTTP/1.0"))
    ended("9112 3.2", "no Host in 1.0 is served", request(host=None, line="GET / HTTP/1.0"), HELLO)
    ended("9112 3.2", "HEAD without Host gets 400 without content", request(host=None, line="HEAD / HTTP/1.1"),
          Answer(400, head=True))
    for name in ("Host", "host"):
        ended("9112 5.1", "%s with a blank before the colon gets 400" % name, request(host=name + " : a"))
    kept("9110 7.2", "X-Forwarded-Host is another field", request("X-Forwarded-Host: a b"), HELLO)


def fields():
    for line in ("A:", "A: ", "A:b", "A: b", "A:\tb\t", "A: \t b \t ", "A: b \t c", "A: b:c:d", "A: \x80\xff\xc3\xa9",
                 "a: \"b", "!#$%&'*+-.^_`|~09azAZ: b", "1: b", "A: b;c=\"d, e\"", "A: (comment", "A: \\",
                 "A: 0123456789\tabcdefghijklmnopq", "A: ,,,", "_: b", "A: =", "A::", "A: #", "A: \t", "Hos: t",
                 "Hostt: b", "Xost: a b", "Expec_: tea", "Connectio_: close", "Content-Lengt_: x",
                 "Transfer-Encodin_: y", "Date: tomorrow", "Trailer: a", "Via: 1.1 a, 1.0 b", "Cookie: a=b; c=d",
                 "Range: bytes=0-1", "Range: x", "TE: trailers", "TE: gzip;q=1, deflate", "Max-Forwards: 0",
                 "Accept: nothing", "Accept-Encoding: identity;q=0", "Authorization: Basic Og==", "Content-Type: a/b",
                 "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Cache-Control: only-if-cached",
                 "If-Range: \"a\"", "Origin: null", "From: a@b", "Referer: about:blank", "Server: a", "Location: /b",
                 "Content-Length-X: 5"):
        kept("9110 5.5", "the line %a is served" % line, request(line), HELLO)
    kept("9110 5.3", "the same field many times is served", request(*["A: b"] * 20), HELLO)
    for line in ("A : b", "A\t: b", "A \t: b", "Content-Length : 3", "Transfer-Encoding : chunked",
                 "Connection : close", ": b", ":", "abc", "a=b", "a b: c", "a/b: c", "a\"b: c", "a(b): c", "a,b: c",
                 "a;b: c", "a<b: c", "a@b: c", "a[b]: c", "a\\b: c", "a{b}: c", "a?b: c", "\xc3\xa9: b", "a\x80: b",
                 "a\0: b", "\0a: b", "a\x7f: b", "a\x01: b", "a\x0b: b", "A: b\0", "A: \0b", "A: b\0c", "A:\0",
                 "A: b\x01", "A: b\x08c", "A: b\x0bc", "A: b\x0cc", "A: b\x0ec", "A: b\x1bc", "A: b\x1f", "A: b\x7f",
                 "A: b\x7fc", "A: 0123456789abcdefgh\0", "A: b\r", "A: b\rc", "A: \rb", "A:\r", "A: b\nc", "A: \nb",
                 "A: b\n", "A: b\n c", "A: b\r\r", "A: b\r\n c", "A: b\r\n\tc", "A: b\r\n ", "A: b\r\n \r\nC: d",
                 "A:\r\n b", "Content-Length: \r\n 3", "Transfer-Encoding:\r\n chunked", "GET / HTTP/1.1",
                 "A: b\r\n: c", "\x0bA: b", "'A' b", "A\xa0: b", "\xa0A: b", "Transfer-Encoding\x0b: chunked",
                 "Transfer\x00-Encoding: chunked", "Content-Length\0: 3"):
        ended("9112 5", "the line %a gets 400" % line, request(line))
    ended("9112 5", "an error of HEAD has no content", request("A : b", line="HEAD / HTTP/1.1"),
          Answer(400, head=True))
    for byte in [*range(0x21), 0x7f, 0x80, 0xff, *b"\"(),/:;<=>?@[\\]{}"]:
        ended("9110 5.6.2", "the byte 0x%02x in a method gets 400" % byte, request(line="GE%cT / HTTP/1.1" % byte))
    for byte in [*range(9), *range(11, 13), *range(14, 0x20), 0x7f]:
        ended("9110 5.5", "the byte 0x%02x in a value gets 400" % byte, request("Cookie: a=%c; b=c" % byte))


def lengths():
    hello3 = [HELLO, NEXT_ANSWER]
    for value in ("3", " 3 ", "\t3\t", "03", "0000000000000000000000000000003", "3, 3", "3,3,3", "3 , 03"):
        kept("9110 8.6", "Content-Length: %a is three bytes" % value, post("Content-Length: " + value,
                                                                           content="abc") + NEXT, *hello3)
    for value in ("0", "00", "0, 0"):
        kept("9110 8.6", "Content-Length: %a is none" % value, post("Content-Length: " + value) + NEXT, *hello3)
    kept("9110 8.6", "Content-Length without a blank is read", post("Content-Length:3", content="abc") + NEXT,
         *hello3)
    kept("9110 5.1", "the name of Content-Length has no case", post("cONTENT-lENGTH: 3", content="abc") + NEXT,
         *hello3)
    kept("9112 6.3", "the same length in two lines is served", post("Content-Length: 3", "Content-Length: 3",
                                                                    content="abc") + NEXT, *hello3)
    kept("9112 6.3", "without a length there is no content", post() + NEXT, *hello3)
    kept("9112 6", "content that looks like a request is none", post("Content-Length: %d" % len(NEXT),
                                                                     content=NEXT) + NEXT, *hello3)
    kept("9112 6", "content of any bytes is read", post("Content-Length: 256",
                                                        content="".join(map(chr, range(256)))) + NEXT, *hello3)
    kept("9112 6", "content that begins with an empty line is read", post("Content-Length: 5",
                                                                          content="\r\n\r\na") + NEXT, *hello3)
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "QUERY", "X"):
        kept("9110 9.3.1", "content of %s is read" % method,
             request("Content-Length: 3", line=method + " / HTTP/1.1", content="abc") + NEXT,
             Answer(200, head=method == "HEAD"), NEXT_ANSWER)
        kept("9110 9.3.1", "chunked content of %s is read" % method, request("Transfer-Encoding: chunked",
                                                                             line=method + " / HTTP/1.1",
                                                                             content="3\r\nabc\r\n0\r\n\r\n") + NEXT,
             Answer(200, head=method == "HEAD"), NEXT_ANSWER)
    kept("9110 9.3.8", "content of TRACE is read", request("Content-Length: 3", line="TRACE / HTTP/1.1",
                                                           content="abc") + NEXT, 405, NEXT_ANSWER)
    ended("9112 6.3", "content in 1.0 is read", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", HELLO, behind=NEXT)
    for value in ("", " ", "+3", "-3", "-0", "+0", "0x3", "3.0", "3e0", "3B", "\"3\"", "3;a", "3 3", "3\t3", "a",
                  "\xd9\xa3", "3\xa0", "3, 4", "3,3,4", "4, 3", "3,", ",3", "3,,3", ",", "3, a", "a, 3", "3;3",
                  "3,-3", "0, 3", "1_0", "3\x0b", "0b11", "Infinity", "NaN", "3 bytes", "18446744073709551619, 3",
                  "99999999999999999999999, 99999999999999999999998"):
        ended("9112 6.3", "Content-Length: %a gets 400" % value, post("Content-Length: " + value, content="abc"))
    for first, second in (("3", "4"), ("0", "3"), ("3", "0"), ("3", "3a"), ("a", "3"), ("3", ""),
                          ("3", "18446744073709551619")):
        ended("9112 6.3", "the lengths %a and %a get 400" % (first, second),
              post("Content-Length: " + first, "A: b", "Content-Length: " + second, content="abc"))
    ended("9112 6.3", "a bad length of GET gets 400", request("Content-Length: a"))
    ended("9112 6.3", "a bad length in 1.0 gets 400", "POST / HTTP/1.0\r\nContent-Length: a\r\n\r\n")
    ended("9112 6.3", "two lengths in 1.0 get 400",
          "POST / HTTP/1.0\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc")
    kept("9110 15.5.14", "content as long as is allowed is read", post("Content-Length: %d" % MAX_BODY,
                                                                       content="x" * MAX_BODY) + NEXT, *hello3)
    for value in (str(MAX_BODY + 1), "2147483648", "4294967296", "4294967299", "9223372036854775807",
                  "9223372036854775808", "18446744073709551615", "1001, 1001"):
        ended("9110 15.5.14", "Content-Length: %.30s gets 413" % value, post("Content-Length: " + value), 413,
              behind="abc" + NEXT)
    for value in ("18446744073709551616", "18446744073709551619", "9" * 200):
        ended("9110 8.6", "Content-Length: %.30s, which nobody can count, gets 400" % value,
              post("Content-Length: " + value), behind="abc" + NEXT)
    ended("9110 15.5.14", "413 comes also with the content", post("Content-Length: 1001", content="x" * 1001), 413)
    ended("9110 15.5.14", "413 to HEAD has no content", request("Content-Length: 1001", line="HEAD / HTTP/1.1"),
          Answer(413, head=True))
    ended("9110 15.5.14", "413 in 1.0", "POST / HTTP/1.0\r\nContent-Length: 1001\r\n\r\n", 413)
    much = "x" * 60000          # no more than what is still read behind the last answer
    ended("9112 9.6", "413 is not reset by what comes behind it", post("Content-Length: 1000000"), 413, behind=much)
    ended("9112 9.6", "400 is not reset by what comes behind it", request("A : b"), behind=much)
    ended("9112 9.6", "an answer with close is not reset by what comes behind it", request("Connection: close"),
          HELLO, behind=much)
    ended("9112 9.6", "an answer to 1.0 is not reset by what comes behind it", "GET / HTTP/1.0\r\n\r\n", HELLO,
          behind=much)
    ended("9110 15.5.14", "413 weighs less than what is malformed", post("Content-Length: 1001", "A : b"))


def codings():
    body, two = "3\r\nabc\r\n0\r\n\r\n", [HELLO, NEXT_ANSWER]
    for value in ("chunked", "Chunked", "CHUNKED", " chunked\t", "chunked,", ",chunked", ", ,chunked,\t,",
                  "\tchunked"):
        kept("9112 7", "Transfer-Encoding: %a is chunked" % value, post("Transfer-Encoding: " + value,
                                                                        content=body) + NEXT, *two)
    kept("9112 7", "an empty line of Transfer-Encoding adds nothing",
         post("Transfer-Encoding:", "Transfer-Encoding: chunked", "Transfer-Encoding: ,", content=body) + NEXT, *two)
    kept("9110 5.1", "the name of Transfer-Encoding has no case", post("tRANSFER-eNCODING:chunked",
                                                                       content=body) + NEXT, *two)
    for value in ("chunked, chunked", "chunked,chunked", "chunked, gzip", "gzip, chunked, gzip", "chunked, identity",
                  "chunked;a=b", "chunked;q=1", "chunked ; a", "gzip chunked", "gzip; chunked", "\"chunked\"",
                  "chunked/1", "=chunked", "chunked\xa0", "chunked;", "\xef\xbb\xbfchunked", "gzip;=1, chunked",
                  "gzip;a=, chunked", "gzip;a:b, chunked", "gzip;a=\"b, chunked", "(chunked)", "", " ", ",", " , ,",
                  "gzip", "identity", "xchunked", "chunkedx", "chunke", "x-chunked", "chunk", "chunked-x", "c",
                  "deflate, gzip", "chunked\x0b", "chun\tked", "chunked chunked", "[chunked]", "{chunked}",
                  "chunked\\", "0", "none"):
        ended("9112 6.3", "Transfer-Encoding: %a gets 400" % value, post("Transfer-Encoding: " + value, content=body))
    for value in ("gzip, chunked", "deflate, chunked", "identity, chunked", "x, chunked", "gzip;a=b, chunked",
                  "gzip;a=\"b, c\", chunked", "gzip;a=\"\\\"\", chunked", "gzip, deflate, chunked",
                  "gzip ; a = b , chunked", "xchunked, chunked"):
        ended("9112 6.1", "Transfer-Encoding: %a gets 501" % value, post("Transfer-Encoding: " + value, content=body),
              501)
    for first, second, status in (("chunked", "chunked", 400), ("chunked", "gzip", 400), ("gzip", "chunked", 501),
                                  ("gzip", "gzip", 400), ("chunked", "identity", 400), ("identity", "chunked", 501)):
        ended("9112 6.1", "the codings %s and %s in two lines get %d" % (first, second, status),
              post("Transfer-Encoding: " + first, "A: b", "Transfer-Encoding: " + second, content=body), status)
    for one, other in (("Content-Length: 3", "Transfer-Encoding: chunked"),
                       ("Content-Length: 13", "Transfer-Encoding: chunked"),
                       ("Content-Length: 0", "Transfer-Encoding: chunked"),
                       ("Content-Length: 3", "Transfer-Encoding: gzip"),
                       ("Content-Length: 3", "Transfer-Encoding: gzip, chunked"),
                       ("Content-Length: 3", "Transfer-Encoding:"), ("Content-Length: 99999",
                                                                     "Transfer-Encoding: chunked"),
                       ("Content-Length: a", "Transfer-Encoding: chunked")):
        ended("9112 6.1", "%s with %s gets 400" % (one, other), post(one, other, content=body))
        ended("9112 6.1", "%s behind %s gets 400" % (one, other), post(other, one, content=body))
    for value in ("chunked", "gzip", "gzip, chunked", "identity", ""):
        ended("9112 6.1", "Transfer-Encoding: %a in 1.0 gets 400" % value,
              "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: %s\r\n\r\n%s" % (value, body))
    ended("9112 6.1", "a coding and a length in 1.0 get 400",
          "POST / HTTP/1.0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    ended("9112 6.1", "an unknown coding of HEAD gets 501 without content",
          request("Transfer-Encoding: gzip, chunked", line="HEAD / HTTP/1.1", content=body), Answer(501, head=True))
    ended("9112 6.1", "an unknown coding without Host gets 400", request("Transfer-Encoding: gzip, chunked",
                                                                         host=None, content=body))


def chunks():
    end = "0\r\n\r\n"
    two = [HELLO, NEXT_ANSWER]
    for what, content in (("none", end), ("one", "3\r\nabc\r\n" + end), ("two", "3\r\nabc\r\n2\r\nde\r\n" + end),
                          ("a size in capitals", "A\r\n0123456789\r\n" + end),
                          ("a size in small letters", "a\r\n0123456789\r\n" + end),
                          ("two digits", "1a\r\n" + "x" * 26 + "\r\n" + end),
                          ("zeros before a size", "0003\r\nabc\r\n" + end),
                          ("zeros for the last", "3\r\nabc\r\n0000\r\n\r\n"),
                          ("many zeros before a size", "0" * 15 + "3\r\nabc\r\n" + end),
                          ("chunks of one byte", "1\r\nx\r\n" * 20 + end),
                          ("more digits of sizes than one size may have", "0001\r\nx\r\n" * 40 + end),
                          ("data of line ends", "4\r\n\r\n\r\n\r\n" + end),
                          ("data that looks like the last chunk", "5\r\n" + end + "\r\n" + end),
                          ("data that looks like a request", "%x\r\n%s\r\n%s" % (len(NEXT), NEXT, end)),
                          ("data of any bytes", "100\r\n" + "".join(map(chr, range(256))) + "\r\n" + end)):
        kept("9112 7.1", "chunks are read: " + what, chunked(content) + NEXT, *two)
    for extension in (";a", ";a=b", ";a=\"b\"", ";a=\"\"", ";a=\"b;c\"", ";a=\"\\\"\"", ";a=\"\\\\\"",
                      ";a=\"b\tc d\"", ";a=\"\xc3\xa9\"", ";a;b", ";a=b;c=d", " ;a", "\t;\ta", " ; a = b",
                      " ; a = \"b\" ; c", ";a =b", ";a= b", ";!#$%&'*+-.^_`|~09azAZ=1", ";a=\"3\"", ";" + "a" * 200,
                      ";a=\"\\a\\b\"", ";a=\"\\\x80\""):
        kept("9112 7.1.1", "the extension %.40a is read" % extension,
             chunked("3%s\r\nabc\r\n0%s\r\n\r\n" % (extension, extension)) + NEXT, *two)
    for trailers in ("A: b\r\n", "A: b\r\nC: d\r\n", "A:\r\n", "A: \t b\t\r\n", "Content-Length: 5\r\n",
                     "Transfer-Encoding: gzip\r\n", "Host: b c\r\n", "Connection: close\r\n", "Expect: tea\r\n",
                     "A: \x80\r\n", "!#$%&'*+-.^_`|~09azAZ: b\r\n", "Digest: a=b, c\r\n", "A: " + "b" * 500 + "\r\n"):
        kept("9112 7.1.2", "the trailers %.40a are read, and mean nothing" % trailers,
             chunked("3\r\nabc\r\n0\r\n" + trailers + "\r\n") + NEXT, *two)
    kept("9112 7.1.2", "trailers that were announced are read", chunked("0\r\nA: b\r\n\r\n", "Trailer: A") + NEXT,
         *two)
    kept("9112 7.1", "chunked content may be pipelined", (chunked("3\r\nabc\r\n" + end)) * 5 + NEXT, *[HELLO] * 5,
         NEXT_ANSWER)

    for what, content in (("no size", "\r\nabc\r\n"), ("an empty size with an extension", ";a\r\nabc\r\n"),
                          ("a size that is no number", "g\r\nabc\r\n"), ("a prefix 0x", "0x3\r\nabc\r\n"),
                          ("a sign", "+3\r\nabc\r\n"), ("a minus", "-3\r\nabc\r\n"), ("minus nothing", "-0\r\n\r\n"),
                          ("a blank before the size", " 3\r\nabc\r\n"), ("HTAB before the size", "\t3\r\nabc\r\n"),
                          ("a blank behind the size", "3 \r\nabc\r\n"), ("HTAB behind the size", "3\t\r\nabc\r\n"),
                          ("a blank in the size", "1 0\r\nabc\r\n"), ("a comma", "3,\r\nabc\r\n"),
                          ("a dot", "3.0\r\nabc\r\n"), ("an underscore", "1_0\r\nabc\r\n"),
                          ("h behind it", "3h\r\nabc\r\n"), ("quotes", "\"3\"\r\nabc\r\n"), ("NUL", "3\0\r\nabc\r\n"),
                          ("NUL before the size", "\x003\r\nabc\r\n"), ("other digits", "\xb3\r\nabc\r\n"),
                          ("another byte for the LF behind the size", "3\rXabc\r\n" + end),
                          ("another byte for the LF behind an extension", "3;a\rXabc\r\n" + end),
                          ("another byte for the CR behind the data", "3\r\nabcX\n" + end),
                          ("another byte for the LF behind the data", "3\r\nabc\rX" + end),
                          ("another byte for the LF behind the last size", "0\rX\r\n"),
                          ("another byte for the LF behind a trailer", "0\r\nA: b\rX\r\n"),
                          ("another byte for the last LF", "0\r\n\rX"),
                          ("a lone LF behind the size", "3\nabc\r\n" + end),
                          ("a lone CR behind the size", "3\rabc\r\n" + end),
                          ("CR CR LF behind the size", "3\r\r\nabc\r\n" + end),
                          ("LF CR behind the size", "3\n\rabc\r\n" + end),
                          ("a lone LF behind the data", "3\r\nabc\n" + end),
                          ("a lone CR behind the data", "3\r\nabc\r" + end),
                          ("nothing behind the data", "3\r\nabc" + end),
                          ("CR CR LF behind the data", "3\r\nabc\r\r\n" + end),
                          ("LF CR behind the data", "3\r\nabc\n\r" + end), ("data too long", "3\r\nabcd\r\n" + end),
                          ("data too short", "3\r\nab\r\n" + end), ("a blank behind the data", "3\r\nabc \r\n" + end),
                          ("an empty line before the next size", "3\r\nabc\r\n\r\n" + end),
                          ("a lone LF behind the last size", "0\n\r\n"), ("a lone LF as the end", "0\r\n\n"),
                          ("a lone CR as the end", "0\r\n\rG"), ("CR CR LF as the end", "0\r\n\r\r\n"),
                          ("two lone LF as the end", "0\n\n"), ("a blank behind the last size", "0 \r\n\r\n"),
                          ("a size of 33 digits", "0" * 32 + "3\r\nabc\r\n")):
        ended("9112 7.1", "chunks get 400: " + what, chunked(content))
    for size in ("3e9", "fffffff", "80000000", "100000000", "100000003", "7fffffffffffffff", "8000000000000000",
                 "ffffffffffffffff", "fffffffffffffffe"):
        ended("9110 15.5.14", "a chunk of 0x%s bytes gets 413" % size, chunked(size + "\r\n"), 413,
              behind="abc\r\n" + end)
    for size in ("10000000000000000", "10000000000000003", "fffffffffffffffff", "f" * 30):
        ended("9112 7.1", "a chunk of 0x%s bytes, which nobody can count, gets 400" % size, chunked(size + "\r\n"),
              behind="abc\r\n" + end)
    kept("9110 15.5.14", "chunks as long as is allowed are read",
         chunked("3e0\r\n" + "x" * 992 + "\r\n8\r\n" + "x" * 8 + "\r\n" + end) + NEXT, *two)
    ended("9110 15.5.14", "chunks one byte longer than is allowed get 413",
          chunked("3e0\r\n" + "x" * 992 + "\r\n9\r\n"), 413, behind="x" * 9)
    for extension in (";", "; ", ";;", ";a;", ";a=", ";a=;b", ";=b", ";a=b c", ";a b", ";a=\"b", ";a=\"b\"c",
                      ";a=\"b\\", ";a=b\"c\"", ";a=b=c", ";a=b,c", ";a/b", ";a=b/c", " a", "; a b=c", ";a=\"b\"\"c\"",
                      ";a=\"b\x01\"", ";a=\"b\0\"", ";a=\"b\x7f\"", ";a=\"\\\x01\"", ";a\0", ";a=b\0", ";\xc3\xa9",
                      ";a=\xc3\xa9", ";a ", ";a=b ", ";a=\"b\" ", ";a=b\t", ";a={b}", ";a='b c'", ";a:b", ";(a)"):
        ended("9112 7.1.1", "the extension %a gets 400" % extension, chunked("3%s\r\nabc\r\n%s" % (extension, end)))
    for what, content in (("a lone LF behind an extension", "3;a\nabc\r\n" + end),
                          ("a lone CR behind an extension", "3;a\rabc\r\n" + end),
                          ("a lone LF in an extension", "3;a\n=b\r\nabc\r\n" + end),
                          ("a lone LF behind the equals sign", "3;a=\nb\r\nabc\r\n" + end),
                          ("a lone LF in a quoted string", "3;a=\"b\n\"\r\nabc\r\n" + end),
                          ("a lone CR in a quoted string", "3;a=\"b\r\"\r\nabc\r\n" + end),
                          ("CR LF in a quoted string", "3;a=\"b\r\n\"\r\nabc\r\n" + end),
                          ("an escaped LF", "3;a=\"\\\n\"\r\nabc\r\n" + end),
                          ("an escaped CR", "3;a=\"\\\r\"\r\nabc\r\n" + end),
                          ("CR LF behind a semicolon", "3;\r\nabc\r\n" + end),
                          ("a lone LF behind a semicolon", "3;\nabc\r\n" + end),
                          ("CR CR LF behind an extension", "3;a\r\r\nabc\r\n" + end),
                          ("a lone LF behind the last extension", "0;a\n\r\n")):
        ended("9112 7.1.1", "extensions get 400: " + what, chunked(content))
    for trailers in ("A : b\r\n", "A\t: b\r\n", " A: b\r\n", "\tA: b\r\n", "A: b\r\n c\r\n", ": b\r\n", "abc\r\n",
                     "A: b\n", "A: b\r\r\n", "A: b\rC: d\r\n", "A: \0\r\n", "A: b\x7f\r\n", "A\0: b\r\n",
                     "\xc3\xa9: b\r\n", "a b: c\r\n", "A: b\n\r\n", "A: b\r\n\n", "A\r\n", "A: \x01\r\n", "a=b\r\n",
                     "GET / HTTP/1.1\r\n", "A: b\nC: d\r\n", "A:\n b\r\n"):
        ended("9112 7.1.2", "the trailers %a get 400" % trailers, chunked("3\r\nabc\r\n0\r\n" + trailers + "\r\n"))
    ended("9112 7.1", "a bad chunk of HEAD gets 400", request("Transfer-Encoding: chunked", line="HEAD / HTTP/1.1",
                                                              content="g\r\n"), Answer(400, head=True))
    ended("9112 7.1", "a bad chunk ends a pipeline behind the answers before it", NEXT + chunked("3\r\nabcd\r\n") ,
          NEXT_ANSWER, 400, behind=end + NEXT)
    ended("9112 7.1", "a bad chunk of a request with another answer gets 400", chunked("g\r\n", target="/refused"))
    kept("9112 7.1.1", "extensions of 10,000 bytes are read", chunked("3;" + "a" * 9999 + "\r\nabc\r\n" + end) + NEXT,
         *two)
    ended("9112 7.1.1", "extensions of 20,000 bytes get 400", chunked("3;" + "a" * 20000), 400)
    ended("9112 7.1.1", "extensions of many chunks count together", chunked(("1;" + "a" * 99 + "\r\nx\r\n") * 200),
          400)
    kept("9112 7.1.2", "trailers of 20,000 bytes are read", chunked("0\r\nA: " + "b" * 20000 + "\r\n\r\n") + NEXT,
         *two)
    ended("9112 7.1.2", "trailers of 40,000 bytes get 431", chunked("0\r\nA: " + "b" * 40000), 431)
    ended("9112 7.1.2", "many trailers get 431", chunked("0\r\n" + "A: b\r\n" * 6000), 431)


def expectations():
    def expecting(*fields, target="/", version="1.1", value="100-continue", method="POST"):
        return request("Expect: " + value, *fields, line="%s %s HTTP/%s" % (method, target, version))

    length = "Content-Length: 3"
    head = expecting(length)
    coded = expecting("Transfer-Encoding: chunked")
    go = [Answer(100)]
    for what, exchanges in (("a length", [(head, go), ("abc", [HELLO])]),
                            ("chunks", [(coded, go), ("3\r\nabc\r\n0\r\n\r\n", [HELLO])]),
                            ("no content in the end", [(coded, go), ("0\r\n\r\n", [HELLO])]),
                            ("GET", [(expecting(length, method="GET"), go), ("abc", [HELLO])]),
                            ("HEAD", [(expecting(length, method="HEAD"), go), ("abc", [Answer(200, head=True)])]),
                            ("an answer that is delayed", [(expecting(length, target="/soon"), go),
                                                           ("abc", [Answer(200, b"soon")])]),
                            ("204", [(expecting(length, target="/status/204"), go), ("abc", [204])]),
                            ("HTTP/1.2", [(expecting(length, version="1.2"), go), ("abc", [HELLO])]),
                            ("OPTIONS", [(expecting(length, method="OPTIONS"), go),
                                         ("abc", [Answer(200, b"", allow=ALLOWED)])]),
                            ("a list of it", [(expecting(length, value="100-continue, ,100-continue"), go),
                                              ("abc", [HELLO])]), ("capitals",
                                                                   [(expecting(length, value="100-CONTINUE"), go),
                                                                    ("abc", [HELLO])]),
                            ("two lines of it", [(expecting(length, "Expect: 100-continue"), go), ("abc", [HELLO])]),
                            ("two requests", [(head, go), ("abc" + head, [HELLO, *go]), ("abc", [HELLO])]),
                            ("content and the next request", [(head, go), ("abc" + NEXT, [HELLO, NEXT_ANSWER])]),
                            ("an empty line before it", [("\r\n" + head, go), ("abc", [HELLO])])):
        talk("9110 10.1.1", "100 comes before the content: " + what, *exchanges)
    talk("9110 10.1.1", "100 comes behind the answers before it", (NEXT + NEXT + head,
                                                                   [NEXT_ANSWER, NEXT_ANSWER, *go]), ("abc", [HELLO]))
    talk("9110 10.1.1", "100 comes behind an answer that is delayed", (request(line="GET /soon HTTP/1.1") + head,
                                                                       [Answer(200, b"soon"), *go]), ("abc", [HELLO]))
    talk("9110 10.1.1", "100 comes before the last answer, too", (expecting(length, "Connection: close"), go),
         ("abc", [HELLO]), ends=True)
    talk("9110 10.1.1", "behind 100 a bad chunk gets 400", (coded, go), ("g\r\n", [400]), ends=True)
    talk("9110 10.1.1", "behind 100 a chunk too large gets 413", (coded, go), ("3e9\r\n", [413]), ends=True)
    kept("9110 10.1.1", "no 100 when the content has begun to arrive", head + "abc", HELLO, glued=[len(head)])
    kept("9110 10.1.1", "no 100 when a part of the content came with the head", head + "abc" + NEXT, HELLO,
         NEXT_ANSWER, glued=[len(head)])
    kept("9110 10.1.1", "no 100 when chunks have begun to arrive", coded + "3\r\nabc\r\n0\r\n\r\n", HELLO,
         glued=[len(coded)])
    kept("9110 10.1.1", "no 100 without content", expecting(), HELLO)
    kept("9110 10.1.1", "no 100 for an empty content", expecting("Content-Length: 0"), HELLO)
    kept("9110 10.1.1", "no 100 for GET without content", expecting(method="GET") + NEXT, HELLO, NEXT_ANSWER)
    ended("9110 10.1.1", "no 100 in 1.0", expecting(length, version="1.0") + "abc", HELLO)
    kept("9110 10.1.1", "no 100 in 1.0 with keep-alive", expecting(length, "Connection: keep-alive",
                                                                   version="1.0") + "abc",
         Answer(200, b"Hello", connection="keep-alive"))
    ended("9110 10.1.1", "in 1.0 another expectation is ignored, too", expecting(value="tea", version="1.0"), HELLO)
    kept("9110 10.1.1", "an empty Expect is nothing", expecting(length, value="") + "abc", HELLO)
    for target, status in (("/moved", 307), ("/refused", 403), ("/down", 503), ("/status/301", 301),
                           ("/status/304", 304), ("/status/404", 404), ("/status/405", 405), ("/status/401", 401),
                           ("/status/500", 500), ("/status/599", 599), ("/get", 405), ("/get-or-501", 501)):
        ended("9110 10.1.1", "%s answers %d at once, without 100" % (target, status),
              expecting(length, target=target), status)
        ended("9110 10.1.1", "%s answers %d at once, without 100, to chunks" % (target, status),
              expecting("Transfer-Encoding: chunked", target=target), status)
    ended("9110 10.1.1", "an answer at once comes behind those before it", NEXT + expecting(length, target="/down"),
          NEXT_ANSWER, 503)
    kept("9110 10.1.1", "content that is there already is read before any answer",
         expecting(length, target="/down") + "abc" + NEXT, 503, NEXT_ANSWER,
         glued=[len(expecting(length, target="/down"))])
    kept("9110 10.1.1", "without content every answer keeps the connection", expecting(target="/down"), 503)
    ended("9110 10.1.1", "TRACE is refused at once", expecting(length, method="TRACE"), 405)
    ended("9110 15.5.14", "too much content is refused at once", expecting("Content-Length: 1001"), 413)
    ended("9112 6.1", "an unknown coding is refused at once", expecting("Transfer-Encoding: gzip, chunked"), 501)
    ended("9110 7.4", "https is refused at once", expecting(length, target="https://a/"), 421)
    ended("9110 10.1.1", "a malformed head is refused at once", expecting(length, "A : b"))
    for value in ("tea", "100-continue, tea", "tea, 100-continue", "100-continue=1", "100 continue", "200-continue",
                  "\"100-continue\"", "100-continue;a=b", "a=\"b, 100-continue, c\"", "100-continu", "100-continuex",
                  "100", "100-", "continue", "102-processing", "x=y"):
        ended("9110 10.1.1", "Expect: %a gets 417" % value, expecting(length, value=value), 417, behind="abc")
    ended("9110 10.1.1", "another expectation in a line of its own gets 417", expecting(length, "Expect: tea"), 417)
    ended("9110 10.1.1", "another expectation of GET gets 417", expecting(value="tea", method="GET"), 417)
    ended("9110 10.1.1", "another expectation of HEAD gets 417 without content",
          expecting(value="tea", method="HEAD"), Answer(417, head=True))


def methods():
    kept("9110 9.3.1", "GET is answered", request(), Answer(200, b"Hello", content_type="text/html", allow=None))
    kept("9110 9.3.2", "HEAD has the fields of GET and no content", request(line="HEAD / HTTP/1.1") + NEXT,
         Answer(200, head=True, content_length="5", content_type="text/html"), NEXT_ANSWER)
    kept("9110 9.3.2", "HEADs may be pipelined", request(line="HEAD / HTTP/1.1") * 3 + NEXT,
         *[Answer(200, head=True, content_length="5")] * 3, NEXT_ANSWER)
    kept("9110 9.3.2", "HEAD of a long page has its length", request(line="HEAD /page HTTP/1.1"),
         Answer(200, head=True, content_length=str(len(PAGE))))
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "QUERY", "get", "Get", "GETS", "GE", "head",
                   "options", "trace", "connect", "X", "!#$%&'*+-.^_`|~09azAZ", "M" * 100, "PRI", "LONG-METHOD_NAME",
                   "HEADS", "TRACES", "CONNECTS", "HTTP"):
        kept("9110 9.1", "%.30s is answered, as configured" % method, request(line=method + " / HTTP/1.1"), HELLO)
    for method in ("POST", "PUT", "DELETE", "PROPFIND", "get", "Get", "head", "GETX", "PRI"):
        kept("9110 15.5.6", "%s gets 405 where only GET is allowed" % method, request(line=method + " /get HTTP/1.1"),
             Answer(405, allow="GET, HEAD, OPTIONS"))
        if method != "PROPFIND":
            kept("9110 15.6.2", "%s gets 501 where that is configured" % method,
                 request(line=method + " /get-or-501 HTTP/1.1"), 501)
    kept("9110 9.1", "a configured method is answered", request(line="PROPFIND /get-or-501 HTTP/1.1"),
         Answer(200, b"got"))
    kept("9110 9.1", "HEAD is allowed where GET is", request(line="HEAD /get HTTP/1.1"),
         Answer(200, head=True, content_length="3"))
    kept("9110 15.5.6", "405 reads the content before", post("Content-Length: 3", content="abc",
                                                             target="/get") + NEXT,
         Answer(405, allow="GET, HEAD, OPTIONS"), NEXT_ANSWER)
    kept("9110 15.5.6", "HEAD gets 405 without content", request(line="HEAD /options HTTP/1.1"),
         Answer(405, head=True, allow="OPTIONS, POST"))
    for target in ("/", "/nowhere", "*", "http://b/", "http://b", "/?a"):
        kept("9110 9.3.7", "OPTIONS %s is answered with Allow" % target, request(line="OPTIONS %s HTTP/1.1" % target),
             Answer(200, b"", allow=ALLOWED))
    kept("9110 9.3.7", "OPTIONS says what is allowed there", request(line="OPTIONS /get HTTP/1.1"),
         Answer(200, b"", allow="GET, HEAD, OPTIONS"))
    kept("9110 9.3.7", "OPTIONS that is configured has Allow, too", request(line="OPTIONS /options HTTP/1.1"),
         Answer(200, b"asked", allow="OPTIONS, POST"))
    kept("9110 9.3.7", "OPTIONS * is of no route", request(line="OPTIONS * HTTP/1.1", host="Host: b.example"),
         Answer(200, b"", allow=ALLOWED))
    ended("9112 3.2.4", "OPTIONS * in 1.0 is answered", "OPTIONS * HTTP/1.0\r\n\r\n", Answer(200, b"", allow=ALLOWED))
    ended("9112 3.2.4", "OPTIONS * without Host gets 400", "OPTIONS * HTTP/1.1\r\n\r\n")
    for method in ("GET", "HEAD", "POST", "TRACE", "PUT", "options"):
        ended("9112 3.2.4", "%s * gets 400" % method, request(line=method + " * HTTP/1.1"),
              Answer(400, head=method == "HEAD"))
    for target in ("**", "*/", "*?a", "*:80"):
        ended("9112 3.2.4", "OPTIONS %a gets 400" % target, request(line="OPTIONS %s HTTP/1.1" % target))
    for target in ("/", "http://b/", "/get"):
        kept("9110 9.3.8", "TRACE %s gets 405" % target, request(line="TRACE %s HTTP/1.1" % target),
             Answer(405, allow="GET, HEAD, OPTIONS" if target == "/get" else ALLOWED))
    kept("9110 9.3.8", "TRACE repeats nothing", request("Cookie: secret", line="TRACE / HTTP/1.1"),
         Answer(405, b"405 Method Not Allowed\n"))
    for target in ("b:443", "[::1]:1", "127.0.0.1:80", "b.example:65535"):
        kept("9110 9.3.6", "CONNECT %s gets 405" % target, request(line="CONNECT %s HTTP/1.1" % target),
             Answer(405, allow=ALLOWED))
    for target in ("/", "b", "b:", "b:0", "b:65536", "b:80:80", ":80", "c@b:80", "b:80/", "b:80?c", "*", "http://b/",
                   "http://b:80", "b:http", "[::1]", "::1:80"):
        ended("9110 9.3.6", "CONNECT %s gets 400" % target, request(line="CONNECT %s HTTP/1.1" % target))
    ended("9112 3.2.3", "authority form with GET gets 400", request(line="GET b:443 HTTP/1.1"))


def statuses():
    for status in STATUSES:
        name, _, value = DEMANDED.get(status, "").partition(": ")
        more = {name.lower().replace("-", "_"): value} if name else {}
        if status >= 300:
            more["content_type"] = None if status == 304 else "text/plain"
        line = "%%s /status/%d HTTP/1.1" % status
        content = b"" if status < 300 or status == 304 else None
        kept("9110 15", "%d is answered" % status, request(line=line % "GET") + NEXT, Answer(status, content, **more),
             NEXT_ANSWER)
        kept("9110 15", "%d is answered to HEAD" % status, request(line=line % "HEAD") + NEXT,
             Answer(status, head=True, **more), NEXT_ANSWER)
    kept("9110 15.3.6", "205 has no content", request(line="GET /status/205 HTTP/1.1"),
         Answer(205, b"", content_length="0"))
    kept("9110 15.5.6", "a configured 405 has Allow", request(line="GET /status/405 HTTP/1.1"),
         Answer(405, allow=ALLOWED))
    ended("9110 15.3.5", "204 says close, too", request("Connection: close", line="GET /status/204 HTTP/1.1"), 204)
    ended("9110 15.4.5", "304 says close, too", request("Connection: close", line="GET /status/304 HTTP/1.1"), 304)
    kept("9110 15.3.5", "204 in 1.0 says keep-alive", "GET /status/204 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         Answer(204, connection="keep-alive"))
    ended("9110 7.8", "426 says close beside upgrade", request("Connection: close", line="GET /status/426 HTTP/1.1"),
          Answer(426, upgrade="TLS/1.2, HTTP/1.1"))


def upgrades():
    for what, lines in (("a WebSocket", ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]),
                        ("h2c", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                 "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"]),
                        ("TLS", ["Connection: upgrade", "Upgrade: TLS/1.3"]),
                        ("without Connection", ["Upgrade: websocket"]),
                        ("an unknown protocol", ["Connection: Upgrade", "Upgrade: a/1, b"]),
                        ("Connection alone", ["Connection: upgrade"])):
        kept("9110 7.8", "an Upgrade is ignored: " + what, request(*lines) + NEXT,
             Answer(200, b"Hello", upgrade=None), NEXT_ANSWER)
    kept("9110 7.8", "an Upgrade with content is ignored", post("Connection: Upgrade", "Upgrade: h2c",
                                                                "Content-Length: 3", content="abc") + NEXT, HELLO,
         NEXT_ANSWER)
    ended("9110 7.8", "an Upgrade in 1.0 is ignored", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
          HELLO)
    ended("9110 7.8", "an Upgrade and close close", request("Connection: Upgrade, close", "Upgrade: h2c"), HELLO)


def limits():
    for size in (4000, 8000, 8192):
        kept("9112 3", "a request line of %d bytes is served" % size,
             request(line="GET /%s HTTP/1.1" % ("a" * (size - 14))), HELLO)
    kept("9112 3", "a query of 7,900 bytes is served", request(line="GET /?%s HTTP/1.1" % ("a" * 7900)), HELLO)
    kept("9112 3", "a method of 1,000 bytes is served", request(line="M" * 1000 + " / HTTP/1.1"), HELLO)
    for size in (8193, 9000, 20000):
        ended("9110 15.5.15", "a request line of %d bytes gets 414" % size,
              request(line="GET /%s HTTP/1.1" % ("a" * (size - 14))), 414)
    ended("9110 15.5.15", "a target without an end gets 414", "GET /" + "a" * 10000, 414)
    ended("9110 15.5.15", "a query without an end gets 414", "GET /?" + "a" * 10000, 414)
    ended("9110 15.5.15", "414 to HEAD has no content", request(line="HEAD /%s HTTP/1.1" % ("a" * 9000)),
          Answer(414, head=True))
    ended("9110 15.5.15", "a target of 60,000 bytes gets 414", request(line="GET /%s HTTP/1.1" % ("a" * 60000)), 414)
    ended("9110 15.5.15", "414 ends a pipeline, behind the answers before it", NEXT + "GET /" + "a" * 9000,
          NEXT_ANSWER, 414)
    for size in (8193, 60000):
        ended("9112 3", "a method of %d bytes is no target that is too long" % size,
              request(line="M" * size + " / HTTP/1.1"))
    ended("9112 3", "a method without an end gets 400", "M" * 10000)
    many = ["A-%d: b" % i for i in range(99)]
    kept("9110 5.4", "50 fields are served", request(*many[:49]), HELLO)
    kept("9110 5.4", "100 fields are served", request(*many), HELLO)
    ended("6585 5", "101 fields get 431", request(*many, "A: b"), 431)
    ended("6585 5", "1,000 fields get 431", request(*many * 10), 431)
    kept("9110 5.4", "8 KiB of cookies are served", request("Cookie: " + "a=b; " * 1638 + "c=d"), HELLO)
    kept("9110 5.4", "8 KiB of cookies in lines of 1 KiB are served", request(*["Cookie: a=" + "b" * 1014] * 8),
         HELLO)
    kept("9110 5.4", "50 fields and 8 KiB of cookies are served together",
         request(*many[:48], "Cookie: a=" + "b" * 8190), HELLO)
    kept("9110 5.4", "a field of 30,000 bytes is served", request("A: " + "b" * 30000), HELLO)
    kept("9110 5.1", "a name of 1,000 bytes is served", request("A" * 1000 + ": b"), HELLO)
    kept("9110 5.5", "a value of 1,000 blanks is served", request("A: " + " " * 1000), HELLO)
    ended("6585 5", "a field of 40,000 bytes gets 431", request("A: " + "b" * 40000), 431)
    ended("6585 5", "a field without an end gets 431", "GET / HTTP/1.1\r\nHost: a\r\nA: " + "b" * 40000, 431)
    ended("6585 5", "a name without an end gets 431", "GET / HTTP/1.1\r\nHost: a\r\n" + "A" * 40000, 431)
    ended("6585 5", "fields of 40,000 bytes together get 431", request(*["A: " + "b" * 996] * 40), 431)
    ended("6585 5", "431 to HEAD has no content", request("A: " + "b" * 40000, line="HEAD / HTTP/1.1"),
          Answer(431, head=True))
    ended("6585 5", "431 ends a pipeline, behind the answers before it", NEXT + request("A: " + "b" * 40000),
          NEXT_ANSWER, 431)


def representations(tag):
    modified = "Tue, 14 Nov 2023 22:13:20 GMT"

    def asking(*lines, method="GET"):       # "v1" stands for the page's tag, which the daemon chooses
        return request(*[line.replace("\"v1\"", tag) for line in lines], line=method + " /page HTTP/1.1")

    full = Answer(200, PAGE, etag=tag, last_modified=modified)
    unchanged = Answer(304, etag=tag, content_type=None)
    kept("9110 8.8", "a page has its validators", asking(), full)
    for line, answer in (("If-None-Match: \"v1\"", unchanged), ("If-None-Match: W/\"v1\"", unchanged),
                         ("If-None-Match: *", unchanged), ("If-None-Match: \"a\", \"v1\"", unchanged),
                         ("If-None-Match: \"a,\\\", \"v1\"", unchanged), ("If-None-Match: ,\"v1\",", unchanged),
                         ("If-None-Match: \"v2\"", full), ("If-None-Match: \"V1\"", full),
                         ("If-None-Match: \"\"", full), ("If-Modified-Since: " + modified, unchanged),
                         ("If-Modified-Since: Wed, 15 Nov 2023 00:00:00 GMT", unchanged),
                         ("If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT", unchanged),
                         ("If-Modified-Since: Tue Nov 14 22:13:20 2023", unchanged),
                         ("If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", full),
                         ("If-Modified-Since: yesterday", full), ("If-Modified-Since: 0", full),
                         ("If-Match: \"v1\"", full), ("If-Match: *", full), ("If-Match: \"a\", \"v1\"", full),
                         ("If-Match: \"v2\"", Answer(412)), ("If-Match: W/\"v1\"", Answer(412)),
                         ("If-Unmodified-Since: " + modified, full),
                         ("If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", Answer(412)),
                         ("If-Unmodified-Since: yesterday", full),
                         ("If-None-Match: \"v2\"\r\nIf-Modified-Since: " + modified, full),
                         ("If-None-Match: \"v1\"\r\nIf-Modified-Since: 0", unchanged),
                         ("If-Match: \"v1\"\r\nIf-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", full),
                         ("If-Match: \"v2\"\r\nIf-None-Match: \"v1\"", Answer(412)),
                         ("If-Match: \"v1\"\r\nIf-None-Match: \"v1\"", unchanged),
                         ("if-none-match:\"v1\"", unchanged), ("If-None-Match: \"a\"\r\nIf-None-Match: \"v1\"",
                                                               unchanged)):
        kept("9110 13", "%a gets %d" % (line, answer.status), asking(line) + NEXT, answer, NEXT_ANSWER)
    kept("9110 13.1.2", "If-None-Match of PUT gets 412", asking("If-None-Match: *", method="PUT"), 412)
    kept("9110 13.1.3", "If-Modified-Since of POST is ignored", asking("If-Modified-Since: " + modified,
                                                                       method="POST"), full)
    kept("9110 13.2.1", "conditions are not asked where the answer is no success",
         request("If-Match: \"a\"", line="GET /down HTTP/1.1"), 503)
    kept("9110 13.1.2", "HEAD gets 304, too", asking("If-None-Match: \"v1\"", method="HEAD") + NEXT,
         Answer(304, head=True, etag=tag), NEXT_ANSWER)
    for line in ("Range: bytes=0-1", "Range: bytes=-1", "Range: bytes=99999-", "Range: bytes=0-1,3-4", "Range: a=b",
                 "Range: bytes=0-1\r\nIf-Range: \"v1\""):
        kept("9110 14.2", "%a is ignored" % line, asking(line), Answer(200, PAGE, content_range=None))
    for value, coded in (("gzip", True), ("GZIP", True), ("x-gzip", True), ("gzip;q=1", True), ("gzip;q=0.001", True),
                         ("deflate, gzip", True), ("*", True), ("*;q=0.5", True), ("gzip;q=0", False),
                         ("gzip;q=0.000", False), ("identity", False), ("deflate", False), ("", False),
                         ("br, *;q=0", False), ("gzipx", False), ("*, gzip;q=0", False), ("gzip ; q=0", False)):
        kept("9110 12.5.3",
             "Accept-Encoding: %a %s" % (value, "is answered with gzip" if coded else "is answered plainly"),
             request("Accept-Encoding: " + value, line="GET /packed HTTP/1.1") + NEXT,
             Answer(200, None if coded else PAGE, content_encoding="gzip" if coded else None, vary="Accept-Encoding"),
             NEXT_ANSWER)
    kept("9110 12.5.3", "no Accept-Encoding is answered plainly", request(line="GET /packed HTTP/1.1"),
         Answer(200, PAGE, content_encoding=None, vary="Accept-Encoding"))
    kept("9110 9.3.2", "HEAD is answered with gzip", request("Accept-Encoding: gzip",
                                                             line="HEAD /packed HTTP/1.1") + NEXT,
         Answer(200, head=True, content_encoding="gzip"), NEXT_ANSWER)


def tag_of_page(daemon):
    with integration.Client(daemon.address) as client:
        client.send(request(line="GET /page HTTP/1.1").encode())
        return client.response()[1]["etag"]


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    chosen, failed = [], 0
    for n, executor in enumerate(("inline", "threaded")):
        faults = {}
        began = time.monotonic()
        with serving(executor) as daemon:
            if not rows:
                representations(tag_of_page(daemon))
                for part in (lines, versions, persistence, targets, hosts, fields, lengths, codings, chunks,
                             expectations, methods, statuses, upgrades, limits):
                    part()
                chosen = [row for row in rows if len(sys.argv) < 2 or any(part in row.name for part in sys.argv[1:])]
                print("1..%d" % (2 * len(chosen)), flush=True)
            count = judge(daemon, chosen, executor == "inline", faults)
        if "INTEGRATION_TIMES" in os.environ:
            print("# %s: %d conversations, %.2f s" % (executor, count, time.monotonic() - began))
        for number, row in enumerate(chosen, 1 + n * len(chosen)):
            for fault in faults.get(row.name, [])[:5]:
                print("# " + fault)
            print("%s %d - %s (%s)" % ("not ok" if row.name in faults else "ok", number, row.name.replace("#", "\\#"),
                                       executor))
        failed += len(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

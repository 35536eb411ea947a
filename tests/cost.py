#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What a request costs, in what can be counted exactly: system calls (strace) and instructions in user space (callgrind).
No clock is looked at, so it says the same on a busy machine.

The costs of starting and ending are taken out by counting twice: a run of few requests, and one of many.  The bounds leave a
tenth to other versions of the compiler; a change that goes beyond one of them is to be thought over, or to move the bound.

Prints TAP; exits 77 where it cannot count.  $REACTORD is the daemon (default: ./reactord), built with -O2.
"""
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REACTORD = os.environ.get("REACTORD") or "./reactord"
PATIENCE_S = 60
CLIENTS = 32		# at a time
FEW, MANY = 10, 40	# requests of each, or connections in its place
BESIDE = ("accept4-failed", "madvise")	# system calls that are not for a request

SHORT = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n"
BROWSER = b"\r\n".join((
	b"GET /some/page.html HTTP/1.1",
	b"Host: www.example.com",
	b"Connection: keep-alive",
	b"Cache-Control: max-age=0",
	b'sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"',
	b"sec-ch-ua-mobile: ?0",
	b'sec-ch-ua-platform: "Linux"',
	b"Upgrade-Insecure-Requests: 1",
	b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
	b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
	b"Sec-Fetch-Site: none",
	b"Sec-Fetch-Mode: navigate",
	b"Sec-Fetch-User: ?1",
	b"Sec-Fetch-Dest: document",
	b"Accept-Encoding: gzip, deflate, br, zstd",
	b"Accept-Language: en-US,en;q=0.9",
	b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
	b"", b""))


class Skip(Exception):
	pass


# --- load: so many requests, and each must be answered ------------------------------------------------------------

def connect(port):
	return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def read_answers(connection, n):
	got = b""
	while got.count(b"\r\n\r\nHello") < n:
		more = connection.recv(65536)
		assert more, f"the end came after {got!r}"
		got += more


def kept(request, at_once=1):
	"""A client sends `at_once` requests, then all others do, then each waits for its answers."""
	def load(port, times):
		clients = [connect(port) for _ in range(CLIENTS)]
		for _ in range(times):
			for client in clients:
				client.sendall(request * at_once)
			for client in clients:
				read_answers(client, at_once)
		for client in clients:
			client.close()
		return times * CLIENTS * at_once
	return load


def closing(port, times):
	for _ in range(times):
		clients = [connect(port) for _ in range(CLIENTS)]
		for client in clients:
			client.sendall(CLOSE)
		for client in clients:
			read_answers(client, 1)
			assert client.recv(1) == b"", "no end"
			client.close()
	return times * CLIENTS


# --- counting --------------------------------------------------------------------------------------------------------

def terminate(pid):
	"""valgrind is the daemon; strace has it as a child, and takes no SIGTERM itself."""
	with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
		children = file.read().split()
	os.kill(int(children[0]) if children else pid, signal.SIGTERM)


def run_under(tool, load, times):
	"""Returns the requests, the connections being opened and closed beside them."""
	with socket.socket() as any_port:
		any_port.bind(("127.0.0.1", 0))
		port = any_port.getsockname()[1]
	process = subprocess.Popen([*tool, REACTORD, "-c", "/dev/null", "-o", "server.workers=1", "-o", "log.level=error",
				    "-l", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
	try:
		end = time.monotonic() + PATIENCE_S
		while True:
			try:
				connect(port).close()
				break
			except ConnectionRefusedError:
				assert process.poll() is None and time.monotonic() < end, "the daemon does not start"
				time.sleep(0.01)
		return load(port, times)
	finally:
		terminate(process.pid)
		process.wait(PATIENCE_S)


def instructions(load, inside=None):
	"""Of one request."""
	def count(times):
		with tempfile.NamedTemporaryFile() as file:
			tool = ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=" + file.name]
			requests = run_under(tool + ([f"--toggle-collect={inside}"] if inside else []), load, times)
			return int(re.search(rb"^summary: (\d+)", file.read(), re.MULTILINE).group(1)), requests
	if not shutil.which("valgrind"):
		raise Skip("valgrind is not installed")
	if platform.machine() != "x86_64":
		raise Skip("the bounds are those of x86-64")
	(few, few_requests), (many, many_requests) = count(FEW), count(MANY)
	return (many - few) / (many_requests - few_requests)


def system_calls(load):
	"""Of one request, by name; those that failed as NAME-failed."""
	def count(times):
		with tempfile.NamedTemporaryFile() as file:
			requests = run_under(["strace", "-f", "-qq", "-e", "signal=none", "-o", file.name], load, times)
			counts = {}
			for line in file.read().decode(errors="replace").splitlines():
				call = re.match(r"\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
				if call and "<unfinished" not in line:
					name = call.group(1) + ("-failed" if re.search(r"= -1 E", line) else "")
					counts[name] = counts.get(name, 0) + 1
			return counts, requests
	if not shutil.which("strace"):
		raise Skip("strace is not installed")
	(few, few_requests), (many, many_requests) = count(FEW), count(MANY)
	more = many_requests - few_requests
	return {name: (many.get(name, 0) - few.get(name, 0)) / more for name in {*few, *many}
		if many.get(name, 0) != few.get(name, 0)}


# --- the checks ------------------------------------------------------------------------------------------------------

def instructions_at_most(most, load, inside=None):
	def check():
		found = instructions(load, inside)
		assert found <= most, f"{found:.0f} are more than {most}"
		return f"{found:.0f} of at most {most}"
	return check


def calls_are(expected, shared, load):
	"""Each of the expected once; of `shared` less than one for each; and none besides, but for what comes with connections
	that were opened for the load, or a second after they ended."""
	def check():
		found = system_calls(load)
		said = ", ".join(f"{name} {n:.3f}" for name, n in sorted(found.items()))
		assert all(abs(found.get(name, 0) - 1) <= 0.02 for name in expected), said
		assert sum(found.get(name, 0) for name in shared) < 1, said
		strange = [name for name, n in found.items() if name not in (*expected, *shared, *BESIDE) and n > 0.002]
		assert not strange, said
		return said
	return check


CHECKS = (
	("a kept connection's request is two system calls and a share of epoll_wait",
	 calls_are(("recvfrom", "sendto"), ("epoll_wait", "recvfrom-failed"), kept(SHORT))),
	("a connection of one request is four system calls and a share of epoll_wait, and of the accept that finds nobody",
	 calls_are(("accept4", "recvfrom", "sendto", "close"), ("epoll_wait", "accept4-failed", "recvfrom-failed"), closing)),
	("of a kept connection's short request, instructions", instructions_at_most(1950, kept(SHORT))),
	("of 16 short requests in a pipeline, instructions of each", instructions_at_most(1150, kept(SHORT, 16))),
	("of a kept connection's request of a browser, instructions", instructions_at_most(4350, kept(BROWSER))),
	("of a connection of one request, instructions", instructions_at_most(2500, closing)),
	("of the parser for a short head, instructions", instructions_at_most(670, kept(SHORT), "http_parse_request")),
	("of the parser for a browser's head, instructions", instructions_at_most(3080, kept(BROWSER), "http_parse_request")),
)


def main():
	failed = skipped = 0
	print(f"1..{len(CHECKS)}", flush=True)
	for number, (sentence, check) in enumerate(CHECKS, 1):
		try:
			print(f"# {check()}\nok {number} - {sentence}", flush=True)
		except Skip as why:
			skipped += 1
			print(f"ok {number} - {sentence} # SKIP {why}", flush=True)
		except (AssertionError, OSError) as error:
			failed += 1
			print(f"# {type(error).__name__}: {error}\nnot ok {number} - {sentence}", flush=True)
	return 1 if failed else 77 if skipped == len(CHECKS) else 0


if __name__ == "__main__":
	sys.exit(main())

# SPDX-License-Identifier: MIT
"""Restarts, upgrades in place, and ends that nobody asked for."""
import contextlib
import re
import signal
import subprocess

import strict as strict_client
from clients import PORT, Answer, Connection, Load
from host import (CONF, DROP_IN, MESSAGE_DROPPED, MESSAGE_KILLED, MESSAGE_REQUEST, MESSAGE_TAKEN_OVER, Skip, UNIT,
	begin_upload, check, end_upload, equal, m, pid, says, start, state)
from machine import eventually, say
from strict import Strict, is_there


def upgrade():
	"""As a package manager does it: another file of that name, which is also of another content."""
	before = configuration()
	m.shell("cp -p /usr/sbin/reactord /usr/sbin/reactord.new && echo >>/usr/sbin/reactord.new &&"
		"mv /usr/sbin/reactord.new /usr/sbin/reactord")
	m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
	eventually("it is another program", lambda: configuration() > before)


def configuration():
	"""The number of the one in force; it counts on over restarts and upgrades."""
	found = re.search(r"configuration (\d+)$", m.show(UNIT, "StatusText"))
	return int(found.group(1)) if found else 0


def restart():
	before = pid()
	m.must("systemctl", "restart", "reactord")
	assert pid() != before, "nothing was restarted"


def restart_into_another():
	m.shell("cp -p /usr/sbin/reactord /usr/sbin/reactord.new && echo >>/usr/sbin/reactord.new &&"
		"mv /usr/sbin/reactord.new /usr/sbin/reactord")
	restart()


def reload():
	m.must("systemctl", "reload", "reactord")


@contextlib.contextmanager
def small_buffers():
	"""What the kernel takes for a slow reader is little: the rest waits with the daemon.  This is the container's network."""
	path = "/proc/sys/net/ipv4/tcp_wmem"
	with open(path, encoding="ascii") as file:
		before = file.read()
	try:
		with open(path, "w", encoding="ascii") as file:
			file.write("4096 16384 131072")
		yield
	finally:
		with open(path, "w", encoding="ascii") as file:
			file.write(before)


def restart_as(server):
	"""With another [server]."""
	def action():
		m.write(CONF, server + strict_client.ROUTES)
		restart()
	return action


def live_through(actions, think_ms=50, **kinds):
	"""Strict clients beside all these; before each the content of the slow readers becomes another, and is told by some."""
	since = m.cursor()
	strict_client.configure()
	with small_buffers():
		start()
		with Strict(think_ms, **kinds) as clients:
			for n, action in enumerate(actions):
				clients.goes_on()
				strict_client.write_version(n + 2)
				action()
			clients.goes_on()
			say(" ".join(f"{key} {count}" for key, count in clients.stop_clean().items()))
	takings = sum(action != reload for action in actions)
	eventually("the log tells of each taking", lambda: len(m.said(since, MESSAGE_TAKEN_OVER)) == takings)
	for text in m.said(since, MESSAGE_TAKEN_OVER):
		of = re.match(r"(\d+) of (\d+) connections", text)
		assert of and of.group(1) == of.group(2), text


FEW = {"sequential": 70, "pipelined": 10, "posting": 10, "reading": 10, "fresh": 4}
MANY = {"think_ms": 3000, "sequential": 4850, "pipelined": 50, "posting": 80, "reading": 20, "fresh": 4}


@check("the status that comes with a restart counts the connections that go on")
def _():
	start()
	with Connection() as one, Connection() as other:
		says(one.get(), "Hello")
		says(other.get(), "Hello")
		restart()
		equal(re.search(r"\d+ connections?", m.show(UNIT, "StatusText")).group(0), "2 connections", "status")
		says(one.get(), "Hello")
		says(other.get(), "Hello")


@check("100 strict clients live through 20 restarts, some into another program")
def _():
	live_through([restart, restart_into_another] * 10, **FEW)


@check("100 strict clients live through 10 upgrades in place")
def _():
	live_through([upgrade] * 10, **FEW)


@check("100 strict clients live through 20 reloads")
def _():
	live_through([reload] * 20, **FEW)


@check("100 strict clients live through restarts, upgrades and reloads in a row")
def _():
	live_through([reload, restart, upgrade, reload, upgrade, upgrade, restart, restart] * 2, **FEW)


@check("100 strict clients live through restarts into other numbers of workers, inline and threaded")
def _():
	live_through([restart_as(f"[server]\nworkers = {workers}\nexecutor = {executor}\n")
		      for workers in (1, 5, 2) for executor in ("threaded", "inline")], **FEW)


@check("5,000 strict clients live through 20 restarts, 10 upgrades and 20 reloads")
def _():
	live_through([restart, reload, upgrade, restart, reload] * 10, **MANY)


def saturate(action, times):
	"""wrk has one request on its way on each connection at any time, and says at the end what went wrong."""
	if not is_there("wrk"):
		raise Skip("wrk is missing")
	start()
	before = pid()
	with subprocess.Popen(["wrk", "-t1", "-c100", "-d1h", f"http://127.0.0.1:{PORT}/"], stdout=subprocess.PIPE,
			      stderr=subprocess.STDOUT, text=True) as wrk:
		try:
			for _ in range(times):
				action()
		finally:
			wrk.send_signal(signal.SIGINT)		# it sums up
			out = wrk.communicate(timeout=20)[0]
	for line in out.splitlines():
		say(line)
	assert re.search(r"[1-9]\d* requests in ", out), "it asked nothing"
	assert "Socket errors" not in out and "Non-2xx" not in out, out
	return before


@check("wrk, as fast as it can, sees no error over 20 restarts")
def _():
	assert saturate(restart, 20) != pid(), "nothing was restarted"


@check("wrk, as fast as it can, sees no error over 10 upgrades in place")
def _():
	before = saturate(upgrade, 10)
	equal(pid(), before, "the process")
	equal(m.must("readlink", f"/proc/{before}/exe").strip(), "/usr/sbin/reactord", "the program")


def read_raw(file):
	"""One of several answers in a row: http.client would swallow the beginning of the next."""
	status = int(file.readline().split()[1])
	length = 0
	while (line := file.readline()) not in (b"\r\n", b""):
		if line.lower().startswith(b"content-length:"):
			length = int(line.split(b":")[1])
	return status, file.read(length)


@check("an upload, a delayed answer and a long download go on over a restart")
def _():
	digits = b"0123456789" * 1200000	# more than the kernel takes for us
	m.write("/etc/long", digits.decode())
	m.write(CONF, "[route /slow]\ndelay = 2s\nbody = slow\n[route /long]\nbody_file = /etc/long\n"
		"[route /to/*]\nstatus = 201\nheader = Location: ${target}\nbody = there\n")
	start()
	with Connection() as upload, Connection() as delayed, Connection() as long, Connection() as idle:
		begin_upload(upload)
		delayed.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /to/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
		long.send(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
		says(idle.get(), "Hello")
		m.write("/etc/long", "changed")
		for _ in range(3):
			m.must("systemctl", "restart", "reactord")
		says(end_upload(upload), "Hello")
		with delayed.http.sock.makefile("rb") as file:
			equal(read_raw(file), (200, b"slow"), "the delayed answer")
			equal(read_raw(file), (201, b"there"), "the one behind it")
		with long.http.sock.makefile("rb") as file:
			equal(read_raw(file) == (200, digits), True, "the download is that which was begun")
			equal(read_raw(file)[1][:10], b"changed", "the one behind it")
		says(idle.get(), "Hello")


@check("a request that is answered around upgrades in place is in the access log, or counted as lost")
def _():
	m.write(DROP_IN, "[Service]\nLogRateLimitIntervalSec=0\n")
	m.must("systemctl", "daemon-reload")
	m.write(CONF, "[log]\naccess = all\naccess_limit = 0\n")
	start()
	main = pid()

	def records(message_id, *fields):
		return m.must("journalctl", "-o", "cat", *fields, f"_PID={main}", f"MESSAGE_ID={message_id}").split()
	with Load(2, kept=True) as load:
		for _ in range(10):
			upgrade()
		load.stop()
	equal(load.failures, [], "failures")
	asked = sum(load.counts)
	eventually("all are told", lambda: len(records(MESSAGE_REQUEST, "--output-fields=REACTORD_STATUS")) +
		   sum(map(int, records(MESSAGE_DROPPED, "--output-fields=REACTORD_LOST"))) == asked)


@check("a restart while the daemon starts, reloads or becomes another program closes no connection")
def _():
	# So many routes that a reload takes a while.
	m.write(CONF, "".join(f"[route /{n}]\nbody = {n}\n" for n in range(3000)))
	start()
	with contextlib.ExitStack() as stack:
		kept = [stack.enter_context(Connection()) for _ in range(20)]
		for first in ("systemctl reload --no-block reactord", "systemctl kill -s HUP --kill-who=main reactord",
			      "systemctl kill -s USR2 --kill-who=main reactord", "systemctl restart --no-block reactord"):
			for pause in (0, 0.01, 0.03, 0.1, 0.15):
				before = pid()
				m.shell(f"{first}; sleep {pause}; systemctl restart reactord")
				assert pid() != before, "nothing was restarted"
				for connection in kept:
					says(connection.get(), "Hello")


@check("a stop that was announced is a stop also when an upgrade in place comes between")
def _():
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "kill", "--kill-who=main", "-s", "USR1", UNIT)
		upgrade()
		m.must("systemctl", "kill", "--kill-who=main", "-s", "TERM", UNIT)
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		says(end_upload(upload), "Hello")


@check("an upgrade in place that fails changes nothing")
def _():
	start()
	with Connection() as kept:
		says(kept.get(), "Hello")
		m.must("mv", "/usr/sbin/reactord", "/usr/sbin/reactord.away")
		try:
			m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
			eventually("the journal says why", lambda: "no upgrade, and all is as before: /usr/sbin/reactord: No such file"
				   in m.must("journalctl", "-u", "reactord", "--no-pager"))
			says(kept.get(), "Hello")
			eventually("it is active", lambda: state() == "active")
			assert m.show(UNIT, "StatusText").endswith(", configuration 1"), m.show(UNIT, "StatusText")
		finally:
			m.must("mv", "/usr/sbin/reactord.away", "/usr/sbin/reactord")
		m.must("systemctl", "restart", "reactord")
		says(kept.get(), "Hello")


def kill():
	main = pid()
	m.must("systemctl", "kill", "-s", "KILL", "--kill-who=main", "reactord")
	eventually("it has been restarted", lambda: pid() not in (0, main) and state() == "active")
	return main


@check("SIGKILL: it comes back, the port never refuses, and the log says how many connections were lost at the most")
def _():
	start()
	since = m.cursor()
	with Load(2, kept=False) as load, contextlib.ExitStack() as stack:
		for _ in range(30):
			says(stack.enter_context(Connection()).get(), "Hello")
		eventually("clients are served", lambda: load.all_moved_since([0, 0]))
		main = kill()
		counts = list(load.counts)
		eventually("clients are served again", lambda: load.all_moved_since(counts))
		load.stop()
	equal(m.show(UNIT, "NRestarts"), "1", "NRestarts")
	# Whoever was being served when it was killed got a reset: nobody can help that.
	refused = [error for error in load.failures if isinstance(error, (ConnectionRefusedError, Answer))]
	equal(refused, [], "refusals")
	assert len(load.failures) <= 2, f"more were cut off than were being served: {load.failures}"
	said = m.find_record(since, "what was lost", MESSAGE_ID=MESSAGE_KILLED)["MESSAGE"]
	found = re.fullmatch(r"process (\d+), which served before, did not end in order: (\d+) connections are lost at the most",
			     said)
	# A client of the load has one connection, and may have closed one in each of two workers that has not yet seen it.
	assert found and int(found.group(1)) == main and 30 <= int(found.group(2)) <= 36, said


@check("only of a process that was killed the log says so, and only once, also after upgrades in place")
def _():
	start()
	since = m.cursor()
	with Connection() as kept:
		for action in (restart, upgrade, upgrade, restart, reload):
			says(kept.get(), "Hello")
			action()
	equal(m.said(since, MESSAGE_KILLED), [], "what the log says of processes that ended in order")
	upgrade()
	main = kill()
	for action in (restart, upgrade, restart):
		action()
	m.must("systemctl", "stop", "reactord")
	start()
	eventually("the log says so", lambda: m.said(since, MESSAGE_KILLED))
	told = m.said(since, MESSAGE_KILLED)
	assert len(told) == 1 and told[0].startswith(f"process {main}, "), told


@check("in systemd's store there is one descriptor while it serves, whatever happened before")
def _():
	start()
	for action in (restart, upgrade, kill, upgrade, restart):
		action()
		eventually("there is one", lambda: m.show(UNIT, "NFileDescriptorStore") == "1")

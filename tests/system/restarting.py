# SPDX-License-Identifier: MIT
"""Restarts, upgrades in place, and ends that nobody asked for."""
from clients import Answer, Connection, Load
from host import CONF, UNIT, begin_upload, check, end_upload, equal, m, pid, says, start, state
from machine import eventually, say


@check("10 restarts: no connection is refused, and each is answered")
def _():
	start()
	before = pid()
	with Load(2, kept=False) as quick, Load(4, kept=False, slow=0.01) as slow:
		for _ in range(10):
			counts = quick.counts + slow.counts
			m.must("systemctl", "restart", "reactord")
			eventually("clients are served between restarts",
				   lambda: all(now > before for now, before in zip(quick.counts + slow.counts, counts)))
		quick.stop()
		slow.stop()
	equal((quick.failures, slow.failures), ([], []), "failures of quick and slow clients")
	say(f"{sum(quick.counts)} quick and {sum(slow.counts)} slow requests")
	assert pid() != before, "nothing was restarted"


@check("20 restarts close no connection and lose no request, of quick clients and of slow ones")
def _():
	start()
	with Load(20, kept=True) as quick, Load(10, kept=True, slow=0.02) as slow:
		for _ in range(20):
			before, counts = pid(), quick.counts + slow.counts
			m.must("systemctl", "restart", "reactord")
			assert pid() != before, "nothing was restarted"
			eventually("clients are served between restarts",
				   lambda: all(now > before for now, before in zip(quick.counts + slow.counts, counts)))
		quick.stop()
		slow.stop()
	equal((quick.failures, slow.failures), ([], []), "failures of quick and slow clients")
	say(f"{sum(quick.counts)} quick and {sum(slow.counts)} slow requests on kept connections")


@check("5,000 connections live through a restart and an upgrade")
def _():
	start()
	request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	many = [Connection() for _ in range(5000)]
	try:
		for step in ("at first", "after a restart", "after an upgrade"):
			if step == "after a restart":
				m.must("systemctl", "restart", "reactord")
			if step == "after an upgrade":
				m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
				eventually("it is another program", lambda: m.show(UNIT, "StatusText").endswith("configuration 3"))
			for connection in many:
				connection.send(request)
			for connection in many:
				answer = connection.http.sock.recv(4096)
				assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello"), f"{step}: {answer!r}"
	finally:
		for connection in many:
			connection.close()


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


@check("10 upgrades in place close no connection and lose no request")
def _():
	start()
	before = pid()
	with Load(20, kept=True) as quick, Load(10, kept=True, slow=0.02) as slow, Load(2, kept=False) as new:
		for n in range(10):
			counts = quick.counts + slow.counts + new.counts
			# As a package manager does it: another file of that name.
			m.must("cp", "-p", "/usr/sbin/reactord", "/usr/sbin/reactord.new")
			m.must("mv", "/usr/sbin/reactord.new", "/usr/sbin/reactord")
			m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
			eventually("it is another program", lambda: m.show(UNIT, "StatusText").endswith(f"configuration {n + 2}"))
			eventually("clients are served between upgrades",
				   lambda: all(now > before for now, before in zip(quick.counts + slow.counts + new.counts, counts)))
		quick.stop()
		slow.stop()
		new.stop()
	equal((quick.failures, slow.failures, new.failures), ([], [], []), "failures of quick, slow and new clients")
	equal(pid(), before, "the process")
	equal(m.must("readlink", f"/proc/{before}/exe").strip(), "/usr/sbin/reactord", "the program")


@check("an upgrade in place that fails changes nothing")
def _():
	start()
	with Connection() as kept:
		says(kept.get(), "Hello")
		m.must("mv", "/usr/sbin/reactord", "/usr/sbin/reactord.away")
		try:
			before = m.show(UNIT, "StatusText")
			m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
			eventually("the journal says why", lambda: "no upgrade, and all is as before: /usr/sbin/reactord: No such file"
				   in m.must("journalctl", "-u", "reactord", "--no-pager"))
			says(kept.get(), "Hello")
			eventually("it is active", lambda: state() == "active")
			equal(m.show(UNIT, "StatusText"), before, "its status")
		finally:
			m.must("mv", "/usr/sbin/reactord.away", "/usr/sbin/reactord")
		m.must("systemctl", "restart", "reactord")
		says(kept.get(), "Hello")


@check("SIGKILL: it comes back, and the port never refuses")
def _():
	start()
	main = pid()
	with Load(2, kept=False) as load:
		eventually("clients are served", lambda: load.all_moved_since([0, 0]))
		m.must("systemctl", "kill", "-s", "KILL", "--kill-who=main", "reactord")
		eventually("it has been restarted", lambda: pid() not in (0, main) and state() == "active")
		counts = list(load.counts)
		eventually("clients are served again", lambda: load.all_moved_since(counts))
		load.stop()
	equal(m.show(UNIT, "NRestarts"), "1", "NRestarts")
	# Whoever was being served when it was killed got a reset: nobody can help that.
	refused = [error for error in load.failures if isinstance(error, (ConnectionRefusedError, Answer))]
	equal(refused, [], "refusals")
	assert len(load.failures) <= 2, f"more were cut off than were being served: {load.failures}"

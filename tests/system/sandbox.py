# SPDX-License-Identifier: MIT
"""The sandbox: what the units forbid, what systemd thinks of it, and that everything is said all the same."""
import errno
import re
import select
import socket

from clients import Connection, get
from host import (CONF, DROP_IN, MESSAGE_REQUEST, SOCKET, UNIT, body, check, equal, m, pid, says, start, state)
from machine import eventually

ACCESS_LIST = "/etc/systemd/system/reactord.socket.d/test.conf"
DROPIN = 253		# the systemd that hands over sockets, see 10-systemd-253.conf


@check("it is in its sandbox: a user of its own, no capability, no new privileges, a filter of system calls")
def _():
	start()
	main = pid()
	tasks = m.must("ls", f"/proc/{main}/task").split()
	assert len(tasks) >= 2, f"only {tasks}: are there no workers?"
	for task in tasks:
		said = dict(re.findall(r"^(\w+):\t(.*)$", m.must("cat", f"/proc/{main}/task/{task}/status"), re.MULTILINE))
		for ids in (said["Uid"], said["Gid"]):
			assert "0" not in ids.split(), f"task {task} runs as {ids}"
		for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
			equal(int(said[key], 16), 0, key)
		equal(said["NoNewPrivs"], "1", "NoNewPrivs")
		equal(said["Seccomp"], "2", "Seccomp")


@check("systemd-analyze verify finds nothing in the units")
def _():
	done = m.command("systemd-analyze", "verify", UNIT, SOCKET)
	assert done.status == 0 and not done.out and not done.err, repr(done)


def exposure(*options):
	out = m.must("systemd-analyze", "security", "--no-pager", *options, UNIT)
	return float(re.search(r"Overall exposure level for reactord\.service: ([0-9.]+)", out).group(1))


@check("systemd-analyze security is at most 0.2, and 0.1 where systemd hands over the sockets")
def _():
	start()
	for options in ((), ("--offline=true",)):
		got = exposure(*options)
		most = 0.1 if m.systemd >= DROPIN else 0.2
		assert got <= most, f"{got} and not {most} ({options})"


def tries(*commands):
	"""Runs each in the sandbox of the unit, before the daemon; returns what they said."""
	m.write("/srv/try", "#!/bin/bash\n" + "\n".join(commands) + "\nexit 0\n")
	m.must("chmod", "755", "/srv/try")
	m.write(DROP_IN, "[Service]\nExecStartPre=/srv/try\nBindReadOnlyPaths=-/bin -/usr/bin\n")
	m.must("systemctl", "daemon-reload")
	since = m.cursor()
	start()
	return "\n".join(str(record["MESSAGE"]) for record in m.journal(since, "-u", UNIT) if record.get("_COMM") != "systemd")


@check("no program in the sandbox connects to anybody")
def _():
	m.must("systemctl", "start", SOCKET)
	said = tries("exec 3<>/dev/tcp/127.0.0.1/8000 && echo tcp is connected", "echo tried",
		     "curl -sS --unix-socket /run/systemd/private http://localhost/ || echo curl: $?")
	assert "tried" in said and "tcp is connected" not in said and "curl: 7" in said, said
	if m.systemd >= DROPIN:		# the first is then told that there are no such sockets, not that nobody is there
		assert "Address family not supported" in said or "not permitted" in said, said
	says(get(), "Hello")


@check("there is no other program to run in the sandbox", since=DROPIN)
def _():
	start()
	root = f"/proc/{pid()}/root"
	for path in ("bin/sh", "usr/bin/sh", "usr/bin/env", "home", "boot", "run/dbus", "run/systemd/system"):
		assert m.command("test", "-e", f"{root}/{path}").status != 0, f"there is {path}"
	for path in ("usr/sbin/reactord", "etc/reactord.conf"):
		m.must("test", "-e", f"{root}/{path}")


@check("it has the sockets to the journal and to systemd from systemd, and says all over them", since=DROPIN)
def _():
	m.write(CONF, "[log]\naccess = all\n")
	since = m.cursor()
	start()
	main = pid()
	for step in ("at first", "after an upgrade in place", "after a restart"):
		if step == "after an upgrade in place":
			before = m.show(UNIT, "StatusText")
			m.must("systemctl", "kill", "--kill-whom=main", "-s", "USR2", UNIT)
			eventually("it is another program", lambda: m.show(UNIT, "StatusText") not in ("", before))
		if step == "after a restart":
			m.must("systemctl", "restart", UNIT)
			main = pid()
		# Each worker has an epoll, and nobody else any socket: all that it has was passed.
		peers = m.must("ss", "-xpH")
		ours = [line for line in peers.splitlines() if f"pid={main}," in line]
		assert any("u_dgr" in line for line in ours), f"{step}: no datagram socket in {ours}"
		says(get("127.0.0.1"), "Hello")
		record = m.find_record(since, f"a request {step}", MESSAGE_ID=MESSAGE_REQUEST, _PID=main, SYSLOG_IDENTIFIER="reactord")
		equal(record["_TRANSPORT"], "journal", "the way it came")
		equal(record["_SYSTEMD_UNIT"], UNIT, "its unit")
	assert "RestrictAddressFamilies=none" in m.must("systemctl", "cat", UNIT), "the drop-in is not in force"
	m.write(CONF, body("reloaded"))
	m.must("systemctl", "reload", UNIT)
	equal(get().body, b"reloaded", "the answer after a reload")


@check("journald's sockets are made anew: nothing is waited for, and after a restart the journal has records again")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	main = pid()
	with Connection() as kept:
		says(kept.get(), "Hello")
		m.must("systemctl", "restart", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald")
		for _ in range(3000):
			says(kept.get(), "Hello")
		m.must("systemctl", "reload", UNIT)
		equal((state(), pid()), ("active", main), "state and process")
		m.must("systemctl", "restart", UNIT)
		since = m.cursor()
		says(kept.get("/again"), "Hello")
		m.find_record(since, "the request after the restart", MESSAGE_ID=MESSAGE_REQUEST, REACTORD_TARGET="/again")


@check("without journald it starts, serves, reloads and stops")
def _():
	units = ("systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket", "systemd-journald")
	m.command("systemctl", "stop", *units)
	try:
		m.must("rm", "-f", "/run/systemd/journal/socket", "/run/systemd/journal/stdout")
		start()
		says(get(), "Hello")
		m.write(CONF, body("reloaded"))
		m.must("systemctl", "reload", UNIT)
		equal(get().body, b"reloaded", "the answer after a reload")
		m.must("systemctl", "stop", UNIT)
		equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus")), ("success", "0"), "Result, ExecMainStatus")
	finally:
		m.command("systemctl", "restart", *units)


def begin_connection(source):
	"""Not waited for: whether anybody answers is what the check is about."""
	connecting = socket.socket()
	connecting.bind((source, 0))
	connecting.setblocking(False)
	equal(connecting.connect_ex(("127.0.0.1", 8000)), errno.EINPROGRESS, f"the beginning of a connection from {source}")
	return connecting


def is_connected(connecting):
	return select.select([], [connecting], [], 0)[1] and connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


@check("IPAddressAllow= and IPAddressDeny= of the socket are an access list", since=DROPIN)
def _():
	m.write(ACCESS_LIST, "[Socket]\nIPAddressDeny=any\nIPAddressAllow=127.0.0.1\n")
	m.must("systemctl", "daemon-reload")
	m.must("systemctl", "restart", SOCKET)
	start()
	with begin_connection("127.0.0.2") as denied:
		# Loopback takes no time: what is let through is there before the first of these is answered.
		for _ in range(20):
			says(get(source="127.0.0.1"), "Hello")
		assert not is_connected(denied), "who is not allowed is connected"
		m.remove(ACCESS_LIST)
		m.must("systemctl", "daemon-reload")
		m.must("systemctl", "restart", SOCKET, UNIT)
		eventually("who was denied is connected by trying again, when everybody is allowed", lambda: is_connected(denied))
	says(get(source="127.0.0.2"), "Hello")

# SPDX-License-Identifier: MIT
"""Restarts in which something goes wrong: what is handed over, or who takes it, is not as it should be."""
import contextlib
import re
import select
import shutil

import strict as strict_client
from clients import Connection, get
from host import (CONF, DROP_IN, MESSAGE_NOT_HANDED_OVER, MESSAGE_NOT_TAKEN_OVER, MESSAGE_TAKEN_OVER, UNIT, begin_upload,
	check, end_upload, equal, m, pid, says, start, state)
from machine import eventually
from ending import end_in_order
from restarting import FEW
from strict import Strict

HOOK = "/usr/lib/reactord-hook.so"


def drop_in(*lines):
	m.write(DROP_IN, "[Service]\nRestartSec=100ms\n" + "".join(line + "\n" for line in lines))
	m.must("systemctl", "daemon-reload")


def start_hooked(*lines):
	"""The daemon with hook_restart.c in it, which does nothing until it is told to."""
	shutil.copy(m.tool("hook_restart.so"), m.path(HOOK))
	order("")
	drop_in(f"Environment=LD_PRELOAD={HOOK}", *lines)
	start()


def order(text):
	m.shell("rm -rf /run/reactord/state/died-*")
	m.write("/etc/reactord-hook", text)


def restart_over_deaths(deaths):
	"""So many processes die, so systemctl restart fails, and systemd starts the next."""
	order(f"die={deaths}")
	assert m.command("systemctl", "restart", "reactord").status != 0, "nobody died"
	is_up_after(deaths)


def is_up_after(deaths):
	eventually("the next one is ready", lambda: state() == "active" and m.show(UNIT, "StatusText").startswith("serving"))
	m.must("test", "-d", f"/run/reactord/state/died-{deaths}")
	m.must("test", "!", "-d", f"/run/reactord/state/died-{deaths + 1}")


def is_closed(connection):
	"""By its end or by a reset."""
	try:
		return connection.http.sock.recv(4096) == b""
	except ConnectionResetError:
		return True


def are_readable(connections):
	return select.select([connection.http.sock for connection in connections], [], [], 0)[0]


def warning(since, message_id, text):
	record = m.find_record(since, text, MESSAGE_ID=message_id, PRIORITY=4)
	assert text in record["MESSAGE"], record["MESSAGE"]


# --- who takes --------------------------------------------------------------------------------------------------------

@check("a process that dies before it is ready loses nothing of 100 strict clients")
def _():
	strict_client.configure()
	start_hooked()
	with Strict(**FEW) as clients:
		clients.goes_on()
		restart_over_deaths(1)
		clients.goes_on()
		m.must("systemctl", "restart", "reactord")
		clients.goes_on()
		clients.stop_clean()


@check("an upgrade in place into what dies before it is ready loses nothing of 100 strict clients")
def _():
	strict_client.configure()
	start_hooked()
	before = pid()
	with Strict(**FEW) as clients:
		clients.goes_on()
		order("die=1")
		m.must("systemctl", "kill", "--kill-who=main", "-s", "USR2", UNIT)
		eventually("another process serves", lambda: pid() not in (0, before))
		is_up_after(1)
		clients.goes_on()
		clients.stop_clean()


@check("after two deaths before being ready only idle connections are taken, after four none")
def _():
	start_hooked()
	for deaths, text in ((2, "1 of 2 connections of the process before go on: 2 processes ended with them"),
			     (4, "0 of 2 connections of the process before go on: 4 processes ended with them")):
		since = m.cursor()
		with Connection() as idle, Connection() as upload:
			says(idle.get(), "Hello")
			begin_upload(upload)
			restart_over_deaths(deaths)
			assert is_closed(upload), "the upload goes on"
			if deaths == 2:
				says(idle.get(), "Hello")
			else:
				assert is_closed(idle), "the idle connection is there"
			warning(since, MESSAGE_NOT_TAKEN_OVER, text)
		says(get(), "Hello")


def connect(stack, n):
	many = [stack.enter_context(Connection()) for _ in range(n)]
	for connection in many:
		says(connection.get(), "Hello")
	return many


@check("of more connections than the soft limit of open files allows a restart loses none")
def _():
	drop_in("LimitNOFILE=128:4096", "SystemCallFilter=")	# the sandbox lets nobody set a limit
	start()
	since = m.cursor()
	with contextlib.ExitStack() as stack:
		many = connect(stack, 300)
		m.must("systemctl", "restart", "reactord")
		for connection in many:
			says(connection.get(), "Hello")
	m.find_record(since, "that all are there", MESSAGE_ID=MESSAGE_TAKEN_OVER,
		      MESSAGE="300 of 300 connections of the process before go on")


@check("of more connections than LimitNOFILE= allows by now a restart closes those for which there is no room, and says so")
def _():
	start()
	since = m.cursor()
	with contextlib.ExitStack() as stack:
		many = connect(stack, 300)
		drop_in("LimitNOFILE=200")
		m.must("systemctl", "restart", "reactord")
		said = m.find_record(since, "that there is no room", MESSAGE_ID=MESSAGE_NOT_TAKEN_OVER)["MESSAGE"]
		found = re.match(r"(\d+) of 300 connections of the process before go on: for the others there is no room", said)
		assert found and 0 < int(found.group(1)) < 200, said
		eventually("the others are closed", lambda: len(are_readable(many)) == 300 - int(found.group(1)))
		ended = are_readable(many)
		for connection in many:
			if connection.http.sock in ended:
				assert is_closed(connection), "it reads something"
			else:
				says(connection.get(), "Hello")
		says(get(), "Hello")


@check("of connections that are not taken after deaths none is in the way of a daemon that has room for few")
def _():
	start_hooked()
	since = m.cursor()
	with contextlib.ExitStack() as stack:
		connect(stack, 300)
		drop_in(f"Environment=LD_PRELOAD={HOOK}", "LimitNOFILE=200")
		restart_over_deaths(4)
		warning(since, MESSAGE_NOT_TAKEN_OVER, "0 of 300 connections of the process before go on: 4 processes ended with them")
		says(get(), "Hello")


# --- what is taken ----------------------------------------------------------------------------------------------------

@check("of a process with another layout idle connections are taken, and those in the middle of a request are closed")
def _():
	for action in (("restart", "reactord"), ("kill", "--kill-who=main", "-s", "USR2", UNIT)):
		start_hooked()
		since = m.cursor()
		with Connection() as idle, Connection() as upload:
			says(idle.get(), "Hello")
			begin_upload(upload)
			order("layout")
			m.must("systemctl", *action)
			assert is_closed(upload), "the upload goes on"
			for _ in range(3):
				says(idle.get(), "Hello")
			warning(since, MESSAGE_NOT_TAKEN_OVER, "1 of 2 connections of the process before go on: it was of another version")
			order("")
			m.must("systemctl", "restart", "reactord")
			says(idle.get(), "Hello")
		m.must("systemctl", "stop", "reactord")


@check("what cannot be understood at all is closed, the log says so, and the next process serves")
def _():
	start_hooked()
	for what in ("garbage", "format"):
		since = m.cursor()
		with Connection() as idle:
			says(idle.get(), "Hello")
			order(what)
			m.must("systemctl", "restart", "reactord")
			assert is_closed(idle), "the connection is there"
		warning(since, MESSAGE_NOT_TAKEN_OVER, "what the process before has left cannot be taken")
		order("")
		with Connection() as kept:
			says(kept.get(), "Hello")
			m.must("systemctl", "restart", "reactord")
			says(kept.get(), "Hello")


# --- who gives --------------------------------------------------------------------------------------------------------

def ends_as_a_stop(why, before=lambda: None, more=0):
	"""A restart that hands nothing over: the request in progress is answered, and then each connection ends in order."""
	start()
	since = m.cursor()

	def restart_in_vain():
		before()
		m.must("systemctl", "restart", "--no-block", "reactord")
		warning(since, MESSAGE_NOT_HANDED_OVER, "connections cannot be left to the next process: " + why)

	end_in_order(restart_in_vain, more)
	eventually("it has been restarted", lambda: state() == "active")
	equal(m.show(UNIT, "Result"), "success", "Result")
	says(get(), "Hello")


@check("a restart into fewer connections than there are closes those that were idle longest, and no request")
def _():
	start()
	with Connection() as upload:
		begin_upload(upload)
		old, young = [Connection() for _ in range(5)], [Connection() for _ in range(3)]
		for connection in old:
			says(connection.get(), "Hello")
		since = m.cursor()			# a command takes longer than a millisecond, in which timers count
		for connection in young:
			says(connection.get(), "Hello")
		m.write(CONF, "[limits]\nmax_connections = 4\n")
		m.must("systemctl", "restart", "reactord")
		warning(since, MESSAGE_NOT_TAKEN_OVER, "4 of 9 connections of the process before go on: for the others there is no "
			"room (limits.max_connections)")
		says(end_upload(upload), "Hello")
		for connection in young:
			says(connection.get(), "Hello")
		for connection in old:
			equal(connection.http.sock.recv(4096), b"", "what one reads that was idle for longer")
		for connection in old + young:
			connection.close()


@check("without a store connections end in order, and the log says why")
def _():
	drop_in("FileDescriptorStoreMax=0")
	ends_as_a_stop("systemd has not stored them: the unit needs FileDescriptorStoreMax=")


@check("where the kernel lets it make no queue connections end in order, and the log says why")
def _():
	drop_in("SystemCallFilter=~socketpair")
	ends_as_a_stop("a queue of them cannot be made: Operation not permitted")


@check("with a queue that is too small connections end in order, and the log says why")
def _():
	start_hooked()
	ends_as_a_stop("the queue has no room for so many", lambda: order("narrow"), 3000)


@check("with more descriptors than may be on their way connections end in order, and the log says why")
def _():
	start_hooked("SystemCallFilter=")	# the hook sets a limit
	ends_as_a_stop("there are more descriptors than may be on their way: LimitNOFILE= in the unit",
		       lambda: order("limited"), 600)


@check("with no descriptor left connections end in order, and the log says why")
def _():
	start()
	ends_as_a_stop("Too many open files", lambda: m.must("prlimit", "--pid", str(pid()), "--nofile=40:"), 100)

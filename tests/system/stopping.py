# SPDX-License-Identifier: MIT
"""Stops, drains, and leaving because nobody comes."""
import http.client
import re
import threading
import time

from clients import Answer, Connection, get
from host import (CONF, DROP_IN, MESSAGE_IDLE, SOCKET, UNIT, begin_upload, check, end_upload, equal, is_started, m, pid,
	says, start, state)
from machine import eventually


@check("while journald hangs, it stops as cleanly")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	journald = m.show("systemd-journald.service", "MainPID")
	m.must("kill", "-STOP", journald)
	try:
		with Connection() as kept:
			for _ in range(200):
				says(kept.get(), "Hello")
		m.must("systemctl", "stop", "reactord")
	finally:
		m.must("kill", "-CONT", journald)
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus")), ("success", "0"), "Result, ExecMainStatus")


@check("while journald hangs, a bad start answers 503 as quickly")
def _():
	m.write(CONF, "[response]\n" + "".join(f"wrong{n} = 1\n" for n in range(200)))
	journald = m.show("systemd-journald.service", "MainPID")
	m.must("kill", "-STOP", journald)
	try:
		start()
		says(get(), "misconfigured", 503)
	finally:
		m.must("kill", "-CONT", journald)


@check("systemctl stop answers the request in progress first and ends cleanly; a request starts it again")
def _():
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		equal(m.show(UNIT, "SubState"), "stop-sigterm", "its state while a request is in progress")
		says(end_upload(upload), "Hello")
	eventually("it has stopped", lambda: state() == "inactive")
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus"), m.show(UNIT, "ExecMainCode")),
	      ("success", "0", "1"), "Result, ExecMainStatus, ExecMainCode (1: it exited)")
	says(get(), "Hello")
	is_started()


@check("a request in progress that never ends holds up a stop no longer than server.drain_timeout")
def _():
	m.write(CONF, "[server]\ndrain_timeout = 1s\n")
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "reactord")
	# systemd would have killed it after TimeoutStopSec=, with another result.
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus")), ("success", "0"), "Result, ExecMainStatus")


class Drip:
	"""An upload of which a byte comes every 0.2 s."""

	def __init__(self, connection, length):
		self.connection = connection
		self.ending = threading.Event()
		connection.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % length)
		interim = connection.http.sock.recv(4096)
		assert interim.startswith(b"HTTP/1.1 100 "), interim
		self.left = length
		self.thread = threading.Thread(target=self.run, daemon=True)
		self.thread.start()

	def run(self):
		try:
			while not self.ending.wait(0.2) and self.left > 1:
				self.connection.send(b"x")
				self.left -= 1
		except OSError:		# it was closed at the other side: the check says whether it may be
			pass

	def end(self):
		self.ending.set()
		self.thread.join()
		self.connection.send(b"x" * self.left)
		response = http.client.HTTPResponse(self.connection.http.sock, method="POST")
		response.begin()
		return Answer(response.status, response.read(), response.headers)


def stop_within(timeout_stop, drain_timeout):
	m.write(DROP_IN, f"[Service]\nTimeoutStopSec={timeout_stop}\n")
	m.write(CONF, f"[server]\ndrain_timeout = {drain_timeout}\n")
	m.must("systemctl", "daemon-reload")
	start()


def drains_with(seconds_left):
	"""The status counts down; it is past this, if it tells of less."""
	found = re.fullmatch(r"draining: 1 left, (\d+) s", m.show(UNIT, "StatusText"))
	return found and int(found.group(1)) <= seconds_left


@check("a drain that goes on may take longer than the unit's TimeoutStopSec=")
def _():
	stop_within("1s", "60s")
	with Connection() as connection:
		upload = Drip(connection, 1000)
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it has drained for 8 s", lambda: drains_with(52))
		says(upload.end(), "Hello")
	eventually("it has stopped", lambda: state() != "deactivating")
	equal((state(), m.show(UNIT, "Result")), ("inactive", "success"), "state, Result")


@check("a drain in which nothing moves is ended by systemd after TimeoutStopSec=, long before drain_timeout")
def _():
	stop_within("1s", "60s")
	with Connection() as upload:
		begin_upload(upload)
		m.command("systemctl", "stop", "reactord")	# systemctl tells that it failed
	equal(m.show(UNIT, "Result"), "timeout", "Result")


@check("a drain that goes on for ever ends at drain_timeout")
def _():
	stop_within("20s", "2s")
	with Connection() as connection:
		upload = Drip(connection, 100000)
		m.must("systemctl", "stop", "reactord")
		upload.ending.set()
	equal((state(), m.show(UNIT, "Result")), ("inactive", "success"), "state, Result")
	log = m.must("journalctl", "-u", UNIT, "-n", "5", "-o", "cat")
	assert "closed in the middle of a request: 1 connection\n" in log, log


@check("a reload while it drains is refused: reactord --reload says why and the drain goes on")
def _():
	start()
	with Connection() as upload:
		begin_upload(upload)
		main = m.show(UNIT, "MainPID")
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		done = m.command("reactord", "--reload", main)
		equal(done.status, 1, f"the exit status ({done})")
		assert "the daemon is stopping" in done.err, done.err
		says(end_upload(upload), "Hello")
	eventually("it has stopped", lambda: state() == "inactive")
	equal(m.show(UNIT, "Result"), "success", "Result")


# --- being unused ------------------------------------------------------------------------------------------------

@check("with server.idle_exit an unused daemon leaves, and the next client starts it again, time after time")
def _():
	m.write(CONF, "[server]\nidle_exit = 500ms\n")
	m.must("systemctl", "start", SOCKET)
	since = m.cursor()
	for _ in range(3):
		says(get(), "Hello")
		is_started()
		eventually("it has left", lambda: state() == "inactive")
		equal((m.show(UNIT, "Result"), m.show(UNIT, "NRestarts")), ("success", "0"), "Result, NRestarts")
		equal(m.show(SOCKET, "ActiveState"), "active", "the socket")
	m.find_record(since, "why it left", MESSAGE_ID=MESSAGE_IDLE)
	equal(m.journal(since, "-u", UNIT, "-p", "warning"), [], "warnings in the journal")


@check("with server.idle_exit a daemon that is used stays, and no client is lost at the border")
def _():
	m.write(CONF, "[server]\nidle_exit = 300ms\n")
	start()
	main = pid()
	with Connection() as kept:
		says(kept.get(), "Hello")
		end = time.monotonic() + 2		# a standing connection is use
		while time.monotonic() < end:
			equal((state(), pid()), ("active", main), "state, process")
		says(kept.get(), "Hello")
	# Pauses around the time after which it leaves: each request finds it before, while, or after.
	for n in range(12):
		time.sleep(0.28 + n * 0.015)
		says(get(), "Hello")
	assert pid() != main, "it never left"


@check("a reload changes server.idle_exit")
def _():
	start()
	m.write(CONF, "[server]\nidle_exit = 500ms\n")
	m.must("systemctl", "reload", "reactord")
	eventually("it has left", lambda: state() == "inactive")
	equal(m.show(UNIT, "Result"), "success", "Result")

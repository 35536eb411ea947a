# SPDX-License-Identifier: MIT
"""How connections end: of a service that is stopped, killed politely, or stopped and started; and that of others they do
not."""
from clients import Connection, Load, get
from host import (CONF, MESSAGE_CUT_OFF, MESSAGE_HANDED_OVER, MESSAGE_NOT_HANDED_OVER, MESSAGE_NOT_TAKEN_OVER,
	MESSAGE_TAKEN_OVER, SOCKET, UNIT, begin_upload, check, end_upload, equal, m, pid, says, start, state)
from machine import eventually


def start_one():
	"""With one worker: of several, one may answer before it knows that the daemon stops."""
	m.write(CONF, "[server]\nworkers = 1\n")
	start()


def end_in_order(act, more=0):
	"""What is in progress is answered, then each connection reads its end, and none a reset."""
	with Connection() as idle, Connection() as upload, Connection() as half:
		many = [Connection() for _ in range(more)]
		for connection in (idle, half, *many):
			says(connection.get(), "Hello")
		begin_upload(upload)
		half.send(b"GET /half HTTP/1.1\r\nHo")
		act()
		for connection in (idle, *many):
			equal(connection.http.sock.recv(4096), b"", "what an idle connection reads")
			connection.close()
		half.send(b"st: localhost\r\n\r\n")
		for connection, answer in ((upload, end_upload(upload)), (half, None)):
			if answer:
				equal(answer.fields["Connection"], "close", "Connection")
				says(answer, "Hello")
			else:
				text = connection.http.sock.makefile("rb").read()
				assert text.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in text, text
			equal(connection.http.sock.recv(4096), b"", "what is read behind the last answer")


def nothing_was_handed_over(since):
	for message_id in (MESSAGE_HANDED_OVER, MESSAGE_NOT_HANDED_OVER, MESSAGE_TAKEN_OVER, MESSAGE_NOT_TAKEN_OVER):
		equal(m.said(since, message_id), [], "records of a hand-over")


@check("systemctl stop ends connections after their answers, with no reset, and hands nothing over")
def _():
	start_one()
	since = m.cursor()
	end_in_order(lambda: m.must("systemctl", "stop", "--no-block", "reactord"))
	eventually("it has stopped", lambda: state() == "inactive")
	equal(m.show(UNIT, "Result"), "success", "Result")
	nothing_was_handed_over(since)


@check("SIGTERM without a job of systemd's leaves connections to systemd, which ends them")
def _():
	for command in (("systemctl", "kill", UNIT), ("systemctl", "kill", "--kill-who=main", UNIT), ("kill",)):
		start_one()
		main = pid()
		with Connection() as idle:
			says(idle.get(), "Hello")
			m.must(*command, *([str(main)] if command == ("kill",) else []))
			equal(idle.http.sock.recv(4096), b"", "what an idle connection reads")
		eventually("it has stopped", lambda: state() == "inactive")
		equal(m.show(UNIT, "Result"), "success", "Result")
	says(get(), "Hello")


@check("a stop that is followed by a start while it drains ends connections in order; new ones wait, and none is refused")
def _():
	start_one()
	before = pid()
	since = m.cursor()

	def stop_and_start():
		m.must("systemctl", "stop", "--no-block", "reactord")
		# A start that comes before ExecStop= has run makes a restart of it: systemd has then forgotten the job.
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		m.must("systemctl", "start", "--no-block", "reactord")

	with Load(2, kept=False) as load:
		eventually("clients are served", lambda: load.all_moved_since([0, 0]))
		end_in_order(stop_and_start)
		eventually("another process serves", lambda: pid() not in (0, before) and state() == "active")
		counts = list(load.counts)
		eventually("clients are served again", lambda: load.all_moved_since(counts))
		load.stop()
	equal(load.failures, [], "failures")
	nothing_was_handed_over(since)


@check("systemctl try-restart, and a restart of the socket, keep connections")
def _():
	start_one()
	with Connection() as idle, Connection() as upload:
		says(idle.get(), "Hello")
		begin_upload(upload)
		for command in (("try-restart", "reactord"), ("reload-or-restart", "reactord"), ("restart", SOCKET)):
			before = pid()
			m.must("systemctl", *command)
			eventually("it serves", lambda: state() == "active")
			equal(pid() != before, command[0] != "reload-or-restart", f"{command} makes another process")
			says(idle.get(), "Hello")
		says(end_upload(upload), "Hello")


@check("a drain that a second SIGTERM ends, or that takes too long, is no restart either")
def _():
	m.write(CONF, "[server]\ndrain_timeout = 30s\n")
	start()
	since = m.cursor()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		m.must("systemctl", "kill", "--kill-who=main", UNIT)
		eventually("it has stopped", lambda: state() == "inactive")
	equal(m.show(UNIT, "Result"), "success", "Result")
	m.find_record(since, "who was cut off", MESSAGE_ID=MESSAGE_CUT_OFF,
		      MESSAGE="closed in the middle of a request: 1 connection")
	nothing_was_handed_over(since)

# SPDX-License-Identifier: MIT
"""
The host that all checks use, what they do with it, and what they say of it.

Each check begins on a host where reactord is installed, stopped, and configured as delivered.  What must come to pass is
waited for by asking; nothing is right because time went by.
"""
import http.client

from clients import Answer
from machine import Machine, eventually

CONF = "/etc/reactord.conf"
UNIT = "reactord.service"
SOCKET = "reactord.socket"
DROP_IN = "/etc/systemd/system/reactord.service.d/test.conf"
APPLY_LISTEN = "systemctl daemon-reload && systemctl restart reactord.socket reactord"	# as the manual has it

# The catalogue of messages is an interface: scripts look for these.
MESSAGE_CONFIG_ERROR = "545a1b15cf554da19a2d9e2348ad4fff"
MESSAGE_CONFIG_REFUSED = "de1cdcabee7b4b298fe69794b35d34d3"
MESSAGE_LISTEN_DIFFERS = "a7af450564a04dec9fbbafebed2a011a"
MESSAGE_HANDED_OVER = "c960b24771d74e96bdcdf0b79d442b6d"
MESSAGE_NOT_HANDED_OVER = "0959a3a5d0b54ae895cf6baafe55f58f"
MESSAGE_TAKEN_OVER = "aab4266ae02b4ed4af4bdf2d60b28807"
MESSAGE_NOT_TAKEN_OVER = "0232cd2d5bee43d79edaa7d8d3fe887f"
MESSAGE_KILLED = "dfa37b5096574540a5cfad0a9b30e526"
MESSAGE_REQUEST = "976aeea0ef8a4e789b7af3a83713cfea"
MESSAGE_WORKER_STUCK = "1df839e3d8e54dfcb3325faf09aaa78a"
MESSAGE_CUT_OFF = "fd09e2658fc94cedad085f782fe1b2d3"
MESSAGE_IDLE = "086ab3c8451c42f4b43d86a796bddbbe"
MESSAGE_LEFT_OUT = "e131e4e0e4434464a3e93ba1ce32291e"
MESSAGE_SWITCH = "5efe0647b2bf48db8c1023c17aac1668"
MESSAGE_DROPPED = "c8655eb3455e4ee98fb9aa559c04837c"

class Skip(Exception):
	"""This check needs what is not there; the text says what."""


checks = []		# sentence, the version of systemd that it needs, and function, in the order of their files
m = Machine()


def check(sentence, since=0):
	def add(function):
		checks.append((sentence, since, function))
		return function
	return add


def equal(got, wanted, what):
	assert got == wanted, f"{what}: {got!r} and not {wanted!r}"


def says(answer, body, status=200):
	assert answer.status == status and body in answer.body.decode(), f"answered {answer}, not {status} {body!r}"


def body(text):
	return f"[response]\nbody = {text}\n"


def start():
	m.must("systemctl", "start", "reactord")


def state():
	return m.show(UNIT, "ActiveState")


def is_started():
	"""By a request, which may be answered before systemd has read that the daemon is ready."""
	eventually("the service is active", lambda: state() == "active")


def pid():
	return int(m.show(UNIT, "MainPID"))


def reset():
	"""As it is after installing."""
	for word in ("CONT", "KILL"):	# a check that failed may have left it stopped
		if word == "CONT" or state() not in ("inactive", "failed"):
			m.command("systemctl", "kill", "-s", word, "systemd-journald" if word == "CONT" else UNIT)
	m.command("systemctl", "start", "systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald")
	m.command("systemctl", "stop", SOCKET, UNIT, "test-listeners.socket", "reactord-*.socket", "reactord@*")
	m.write(CONF, m.delivered)
	m.remove("/etc/reactord.conf.d")
	m.remove("/etc/reactord")
	m.remove("/run/reactord-generator")
	for name in ("reactord.service.d", "reactord.socket.d", "test-listeners.socket"):
		m.remove("/etc/systemd/system/" + name)
	m.must("systemctl", "daemon-reload")
	m.command("systemctl", "reset-failed", SOCKET, UNIT)


# --- requests in two parts ------------------------------------------------------------------------------------------

def begin_upload(connection):
	"""Half of one.  The 100 says that the daemon has read the head."""
	connection.send(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	interim = connection.http.sock.recv(4096)
	assert interim.startswith(b"HTTP/1.1 100 "), interim
	connection.send(b"12345")


def end_upload(connection):
	connection.send(b"67890")
	response = http.client.HTTPResponse(connection.http.sock, method="POST")
	response.begin()
	return Answer(response.status, response.read(), response.headers)

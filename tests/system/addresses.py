# SPDX-License-Identifier: MIT
"""Addresses: server.listen through the generator, and what systemd passes."""
import os
import stat

from clients import get, is_refused
from host import (APPLY_LISTEN, CONF, MESSAGE_LISTEN_DIFFERS, SOCKET, UNIT, check, equal, is_started, m,
	says, start)


@check("server.listen with several addresses, IPv6 and a unix socket applies by the documented commands")
def _():
	start()
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8001\nlisten = [::1]:8002\nlisten = :8003\n"
		      "listen = /run/reactord-test.sock mode=0660\n")
	since = m.cursor()
	m.shell(APPLY_LISTEN)
	says(get(port=8001), "Hello")
	says(get("::1", 8002), "Hello")
	says(get("127.0.0.1", 8003), "Hello")
	says(get("::1", 8003), "Hello")
	path = m.path("/run/reactord-test.sock")
	says(get(path=path), "Hello")
	mode = os.stat(path).st_mode
	assert stat.S_ISSOCK(mode), "the path is no socket"
	equal(oct(stat.S_IMODE(mode)), "0o660", "the mode of the unix socket")
	assert is_refused(port=8000), "the unit's own address is still listened on"
	assert is_refused(port=8002), "[::1]:8002 is listened on by IPv4, too"
	assert not [r for r in m.journal(since, "-u", UNIT) if r.get("MESSAGE_ID") == MESSAGE_LISTEN_DIFFERS], \
		"the daemon thinks that systemd passed others"


@check("a unix socket in /run/reactord is there for all users, and outlives a stop as any other address")
def _():
	m.write(CONF, "[server]\nlisten = /run/reactord/http.sock\n")
	since = m.cursor()
	m.shell(APPLY_LISTEN)
	path = m.path("/run/reactord/http.sock")
	nobody = m.must("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
			"curl", "-sS", "-m", "10", "--unix-socket", "/run/reactord/http.sock", "http://localhost/")
	equal(nobody, "Hello", "the answer to another user")
	m.must("systemctl", "restart", "reactord")
	says(get(path=path), "Hello")
	m.must("systemctl", "stop", "reactord")
	says(get(path=path), "Hello")
	is_started()
	m.write(CONF, "[server]\nlisten = /run/reactord/http.sock\n[response]\nbody = edited\n")
	m.must("systemctl", "reload", "reactord")
	equal(get(path=path).body, b"edited", "the answer after a reload")
	warnings = [record["MESSAGE"] for record in m.journal(since, "-u", SOCKET, "-p", "warning")]
	equal(warnings, [], "what systemd warns of")


@check("an address that the host has not yet is listened on")
def _():
	m.write(CONF, "[server]\nlisten = 192.0.2.1:8000\n")
	m.shell(APPLY_LISTEN)
	m.must("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
	try:
		says(get("192.0.2.1"), "Hello")
	finally:
		m.must("ip", "address", "delete", "192.0.2.1/32", "dev", "lo")


@check("server.listen edited and only the service restarted: the journal names both addresses and the command")
def _():
	start()
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8055\n")
	since = m.cursor()
	m.must("systemctl", "restart", "reactord")
	text = m.find_record(since, "that they differ", MESSAGE_ID=MESSAGE_LISTEN_DIFFERS)["MESSAGE"]
	for word in ("127.0.0.1:8055", "127.0.0.1:8000", APPLY_LISTEN):
		assert word in text, f"{word!r} is not in {text!r}"
	says(get(), "Hello")
	m.shell(APPLY_LISTEN)
	says(get(port=8055), "Hello")


@check("server.backlog applies to the sockets that systemd opened")
def _():
	def length():
		return m.must("ss", "-Hltn", "sport", "=", ":8000").split()[2]
	start()
	equal(length(), "4096", "the length of the queue by default")
	m.write(CONF, "[server]\nbacklog = 77\n")
	m.must("systemctl", "restart", "reactord")
	equal(length(), "77", "the length of the queue as set")
	m.write(CONF, m.delivered)
	m.must("systemctl", "restart", "reactord")
	equal(length(), "4096", "the length of the queue as set no more")


@check("server.listen applies although the rest of the file is bad, and each request is then answered 503")
def _():
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8044\n[response]\nstatus = abc\n")
	m.shell(APPLY_LISTEN)
	says(get(port=8044), "misconfigured", 503)

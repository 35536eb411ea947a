# SPDX-License-Identifier: MIT
"""Addresses: server.listen through the generator, and what systemd passes."""
import os
import stat

from clients import Connection, get, is_refused
from host import (APPLY_LISTEN, CONF, MESSAGE_CONFIG_ERROR, MESSAGE_LISTEN_DIFFERS, SOCKET, UNIT, check, equal, is_started,
	m, says, start, state)
from machine import eventually

TEST_SOCKET = "/etc/systemd/system/test-listeners.socket"


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
	m.shell(APPLY_LISTEN)
	equal(length(), "77", "the length of the queue as set")
	m.write(CONF, m.delivered)
	m.shell(APPLY_LISTEN)
	equal(length(), "4096", "the length of the queue as set no more")
	m.write("/etc/systemd/system/reactord.socket.d/override.conf", "[Socket]\nBacklog=55\n")
	m.shell(APPLY_LISTEN)
	equal(length(), "55", "the length of the queue as systemctl edit sets it")


@check("server.listen applies although the rest of the file is bad, and each request is then answered 503")
def _():
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8044\n[response]\nstatus = abc\n")
	m.shell(APPLY_LISTEN)
	says(get(port=8044), "misconfigured", 503)


# --- names -----------------------------------------------------------------------------------------------------------

def is_listening(unit):
	return m.show(unit, "ActiveState") == "active"


@check("names: server.listen with names is a socket unit for each, with answers and a mode of its own")
def _():
	start()
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8000\nlisten = [::1]:8001 name=admin\nlisten = 127.0.0.1:8001 name=admin\n"
		      "listen = /run/private.sock mode=0600 name=private\nlisten = /run/public.sock mode=0666\n"
		      "[listen admin]\nbody = for administrators\n[route /x on private]\nbody = private x\n")
	since = m.cursor()
	m.shell(APPLY_LISTEN)
	says(get(), "Hello")
	says(get("::1", 8001), "for administrators")
	says(get(port=8001), "for administrators")
	says(get(path=m.path("/run/public.sock")), "Hello")
	with Connection(path=m.path("/run/private.sock")) as private:
		says(private.get(), "Hello")
		says(private.get("/x"), "private x")
		m.must("systemctl", "restart", "reactord")
		says(private.get("/x"), "private x")
	for path, mode in (("/run/private.sock", "0o600"), ("/run/public.sock", "0o666")):
		equal(oct(stat.S_IMODE(os.stat(m.path(path)).st_mode)), mode, f"the mode of {path}")
	warnings = [record["MESSAGE"] for record in m.journal(since, "-u", UNIT, "-p", "warning")]
	equal(warnings, [], "what the daemon warns of")


@check("names: one that is taken out of server.listen leaves no socket behind by the documented commands")
def _():
	start()
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8000\nlisten = 127.0.0.1:8001 name=admin\nlisten = 127.0.0.1:8002 name=b\n"
		      "[listen admin]\nbody = admin\n")
	m.shell(APPLY_LISTEN)
	says(get(port=8001), "admin")
	says(get(port=8002), "Hello")
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8000\nlisten = 127.0.0.1:8003 name=b\n")
	m.shell(APPLY_LISTEN)
	says(get(), "Hello")
	says(get(port=8003), "Hello")
	assert is_refused(port=8001), "the address of the name that is gone is still listened on"
	assert is_refused(port=8002), "the old address of the name that stays is still listened on"
	assert not is_listening("reactord-admin.socket"), "the unit of the name that is gone is still active"
	m.write(CONF, m.delivered)
	m.shell(APPLY_LISTEN)
	says(get(), "Hello")
	assert is_refused(port=8003), "without server.listen there is still the socket of a name"


@check("names: the sockets of all names come and go with reactord.socket, and a request to any starts the daemon")
def _():
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8000\nlisten = 127.0.0.1:8001 name=admin\n[listen admin]\nbody = admin\n")
	m.must("systemctl", "daemon-reload")
	m.must("systemctl", "start", SOCKET)
	equal(state(), "inactive", "the service before the first request")
	says(get(port=8001), "admin")
	says(get(), "Hello")
	is_started()
	m.must("systemctl", "stop", SOCKET, UNIT)
	assert is_refused(port=8001), "the socket of a name is still there"


def misconfigured(since, *words):
	"""Everything is answered 503, and the journal names both sides."""
	says(get(), "misconfigured", 503)
	text = m.find_record(since, "the mistake", MESSAGE_ID=MESSAGE_CONFIG_ERROR)["MESSAGE"]
	for word in words:
		assert word in text, f"{word!r} is not in {text!r}"


@check("names: one that systemd did not pass is an error that names both sides, at a start and at a reload")
def _():
	start()
	m.write(CONF, "\n[listen admin]\nbody = admin\n")
	since = m.cursor()
	assert m.command("systemctl", "reload", "reactord").status != 0, "the reload is not refused"
	text = m.find_record(since, "the mistake", MESSAGE_ID=MESSAGE_CONFIG_ERROR)["MESSAGE"]
	equal(text, CONF + ":2: [listen admin]: there is no listener of that name; systemd passed http (127.0.0.1:8000)",
	      "the error of the reload")
	says(get(), "Hello")
	since = m.cursor()
	m.must("systemctl", "restart", "reactord")
	misconfigured(since, CONF + ":2: [listen admin]: ", "systemd passed http (127.0.0.1:8000)")
	m.write(CONF, "[listen http]\nbody = mended\n")
	m.must("systemctl", "reload", "reactord")
	says(get(), "mended")


@check("names: a socket unit of the administrator's own has its name, and one that nobody speaks of is an error")
def _():
	m.write(TEST_SOCKET, "[Socket]\nListenStream=127.0.0.1:8010\nService=reactord.service\n")
	m.must("systemctl", "daemon-reload")
	m.must("systemctl", "start", "test-listeners.socket", UNIT)
	says(get(port=8010), "Hello")
	m.write(CONF, "[listen test-listeners.socket]\nbody = theirs\n")
	m.must("systemctl", "reload", "reactord")
	says(get(port=8010), "theirs")
	says(get(), "Hello")
	m.write(CONF, "[route /x on http]\nbody = ours\n")
	since = m.cursor()
	m.must("systemctl", "restart", "reactord")
	misconfigured(since, CONF + ":1: [route /x on http]: ", "test-listeners.socket (127.0.0.1:8010)")


def refused_stranger(since, kind):
	text = eventually("the journal tells of it", lambda: [
		record["MESSAGE"] for record in m.journal(since, "-u", UNIT) if "stranger" in str(record["MESSAGE"])])[0]
	assert "descriptor " in text and f'("stranger") that systemd passed is {kind}' in text, text


STRANGERS = (
	("ListenDatagram=127.0.0.1:8011", "a datagram socket"),
	("ListenFIFO=/run/test-listeners.fifo", "a FIFO"),
	("ListenSequentialPacket=/run/test-listeners.sock", "a sequential-packet socket"),
)


@check("what systemd passes and is no listener is refused by number, name and kind")
def _():
	for line, kind in STRANGERS:
		m.write(TEST_SOCKET, f"[Socket]\n{line}\nFileDescriptorName=stranger\nService=reactord.service\n")
		m.must("systemctl", "daemon-reload")
		m.must("systemctl", "start", "test-listeners.socket")
		since = m.cursor()
		assert m.command("systemctl", "start", UNIT).status != 0, f"the daemon starts with {kind}"
		refused_stranger(since, kind)
		m.command("systemctl", "stop", UNIT, SOCKET, "test-listeners.socket")
		m.command("systemctl", "reset-failed", UNIT)


@check("a file that OpenFile= passes is refused by number, name and kind", since=253)
def _():
	m.write("/etc/systemd/system/reactord.service.d/test.conf", "[Service]\nOpenFile=/etc/hostname:stranger:read-only\n")
	m.must("systemctl", "daemon-reload")
	since = m.cursor()
	assert m.command("systemctl", "start", UNIT).status != 0, "the daemon starts with a file"
	refused_stranger(since, "a file")


# --- who has the last word ---------------------------------------------------------------------------------------------

@check("a drop-in of the administrator's own goes before server.listen, as by `systemctl edit reactord.socket`")
def _():
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8005\n")
	m.write("/etc/systemd/system/reactord.socket.d/override.conf", "[Socket]\nListenStream=\nListenStream=127.0.0.1:8006\n")
	m.shell(APPLY_LISTEN)
	says(get(port=8006), "Hello")
	assert is_refused(port=8005), "server.listen is listened on, too"
	assert is_refused(), "the unit's own address is listened on, too"


def journal_of_boot():
	return m.must("journalctl", "-b", "-o", "cat", "-p", "err")


@check("at boot: server.listen with names is listened on, and its first request starts the daemon; a bad one is logged")
def _():
	m.write(CONF, "[server]\nlisten = 127.0.0.1:8007\nlisten = [::1]:8008 name=admin\n"
		      "listen = /run/boot.sock mode=0600 name=local\n[listen admin]\nbody = admin\n")
	m.must("systemctl", "enable", SOCKET)
	try:
		m.reboot()
		equal(state(), "inactive", "the service before the first request")
		says(get("::1", 8008), "admin")
		says(get(port=8007), "Hello")
		says(get(path=m.path("/run/boot.sock")), "Hello")
		assert is_refused(), "the unit's own address is listened on, too"
		m.write(CONF, "[server]\nlisten = localhost:8007\n")
		m.reboot()
		text = journal_of_boot()
		assert CONF + ":2: server.listen: \"localhost:8007\": host names" in text, f"the journal of the boot has {text!r}"
		says(get(), "misconfigured", 503)
		assert is_refused(port=8007), "a bad address is listened on"
	finally:
		m.must("systemctl", "disable", SOCKET)

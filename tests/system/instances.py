# SPDX-License-Identifier: MIT
"""Instances: reactord@NAME, each with a file, a socket and connections of its own."""
import os
import stat

from clients import Connection, get, is_refused
from host import UNIT, check, equal, m, says, start
from machine import eventually

BLUE = "/etc/reactord/blue.conf"
APPLY = "systemctl daemon-reload && systemctl restart reactord@blue.socket reactord@blue"	# as the manual has it


def is_active(unit):
	eventually(f"{unit} is active", lambda: m.show(unit, "ActiveState") == "active")


@check("instance: it answers from its own file, on a unix socket of its own, beside reactord and another instance")
def _():
	m.write(BLUE, "[response]\nbody_file = page.conf\n")
	m.write("/etc/reactord/page.conf", "a page, and no configuration\nlisten = 127.0.0.1:8009\n")
	m.write("/etc/reactord/green.conf", "[response]\nbody = green\n")
	m.must("systemctl", "daemon-reload")
	m.must("systemctl", "start", "reactord@blue", "reactord@green", "reactord")
	blue, green = m.path("/run/reactord@blue/http.sock"), m.path("/run/reactord@green/http.sock")
	equal(oct(stat.S_IMODE(os.stat(blue).st_mode)), "0o666", "the mode of the unix socket")
	says(get(path=blue), "a page")
	says(get(path=green), "green")
	says(get(), "Hello")
	m.must("systemctl", "stop", "reactord@green", "reactord@green.socket")
	says(get(path=blue), "a page")
	says(get(), "Hello")


@check("instance: a reload is judged for itself, and a restart closes no connection")
def _():
	m.write(BLUE, "[response]\nbody = one\n")
	start()
	m.must("systemctl", "start", "reactord@blue")
	with Connection(path=m.path("/run/reactord@blue/http.sock")) as connection:
		says(connection.get(), "one")
		m.write(BLUE, "[response]\nbody = two\n")
		m.must("systemctl", "reload", "reactord@blue")
		says(connection.get(), "two")
		says(get(), "Hello")
		assert "result=ok" in m.shell("cat /run/reactord@blue/state/reload"), "its verdict is not in its own directory"
		m.write(BLUE, "[response]\nstatus = abc\n")
		assert m.command("systemctl", "reload", "reactord@blue").status != 0, "a bad file is not refused"
		says(connection.get(), "two")
		m.write(BLUE, "[response]\nbody = three\n")
		before = m.show("reactord@blue", "MainPID")
		m.must("systemctl", "restart", "reactord@blue")
		says(connection.get(), "three")
		assert m.show("reactord@blue", "MainPID") != before, "nothing was restarted"
	assert "result=ok" in m.shell("cat /run/reactord/state/reload"), "the verdict of reactord was overwritten"


@check("instance: server.listen of its file, and of that one's .d directory, is its address, with names")
def _():
	m.write(BLUE, "[server]\nlisten = 127.0.0.1:8021\n[response]\nbody = blue\n[listen admin]\nbody = blue admin\n")
	m.write(BLUE + ".d/names.conf", "[server]\nlisten = 127.0.0.1:8022\nlisten = [::1]:8023 name=admin\n")
	m.shell(APPLY)
	says(get(port=8022), "blue")
	says(get("::1", 8023), "blue admin")
	assert is_refused(port=8021), "what another file replaces is listened on"
	m.remove(BLUE + ".d")
	m.write(BLUE, "[server]\nlisten = 127.0.0.1:8021\n[response]\nbody = blue\n")
	m.shell(APPLY)
	says(get(port=8021), "blue")
	assert is_refused("::1", 8023), "the socket of a name that is gone is still there"


@check("instance: without its file it answers 503, and says so")
def _():
	m.must("systemctl", "start", "reactord@none")
	says(get(path=m.path("/run/reactord@none/http.sock")), "misconfigured", 503)
	assert "/etc/reactord/none.conf" in m.must("journalctl", "-u", "reactord@none"), "the journal does not name the file"


@check("instance: its units have no fault that systemd-analyze knows, and the sandbox of reactord")
def _():
	m.write(BLUE, "")
	done = m.command("systemd-analyze", "verify", "reactord@blue.service", "reactord@blue.socket")
	assert done.status == 0 and not done.out and not done.err, repr(done)
	m.must("systemctl", "start", "reactord@blue", "reactord")
	is_active("reactord@blue")
	scores = [m.must("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1].split(": ")[-1].split()[0]
		  for unit in ("reactord@blue.service", UNIT)]
	equal(scores[0], scores[1], "the score")


@check("instance: enabled, its socket is there from boot on, and the first request starts it")
def _():
	m.write(BLUE, "[server]\nlisten = 127.0.0.1:8024\n[response]\nbody = blue\n")
	m.must("systemctl", "enable", "reactord@blue.socket")
	try:
		m.reboot()
		equal(m.show("reactord@blue", "ActiveState"), "inactive", "the service before the first request")
		says(get(port=8024), "blue")
	finally:
		m.must("systemctl", "disable", "reactord@blue.socket")

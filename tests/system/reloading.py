# SPDX-License-Identifier: MIT
"""Reloads: of good files, of bad ones, several at once, under load."""
import re

from clients import Connection, Load, get
from host import (CONF, MESSAGE_CONFIG_ERROR, MESSAGE_CONFIG_REFUSED, SOCKET, UNIT, body, check, equal,
	is_started, m, pid, says, start, state)
from machine import eventually


@check("an edit is in force when systemctl reload returns, for connections that are kept, too")
def _():
	start()
	with Connection() as kept:
		says(kept.get(), "Hello")
		for n in range(10):
			m.write(CONF, body(f"edit-{n}"))
			m.must("systemctl", "reload", "reactord")
			equal(get().body.decode(), f"edit-{n}", "on a new connection")
			equal(kept.get().body.decode(), f"edit-{n}", "on a kept connection")


@check("touch and rm turn maintenance on and off in the sandbox, in /run/reactord, /etc/reactord and elsewhere")
def _():
	for where in ("/run/reactord", "/etc/reactord", "/srv/site"):
		m.write(CONF, f"[maintenance]\nenable_if_exists = {where}/maintenance\nbody = later\n")
		m.must("systemctl", "restart", "reactord")
		m.must("mkdir", "-p", "-m", "755", where)	# perhaps only now
		with Connection() as kept:
			for _ in range(3):
				says(kept.get(), "Hello")
				m.must("touch", f"{where}/maintenance")
				eventually("maintenance is on", lambda: kept.get().status == 503)
				equal(get().status, 503, "the status on a new connection")
				m.must("rm", f"{where}/maintenance")
				eventually("maintenance is off", lambda: kept.get().status == 200)


@check("a page in /etc/reactord is read in the sandbox, at the start and by a reload")
def _():
	m.must("mkdir", "-p", "/etc/reactord")
	m.write("/etc/reactord/page.html", "first")
	m.write(CONF, "[route /page]\nbody_file = reactord/page.html\n")
	start()
	with Connection() as kept:
		says(kept.get("/page"), "first")
		m.write("/etc/reactord/page.html", "second")
		m.must("systemctl", "reload", "reactord")
		says(kept.get("/page"), "second")


@check("systemctl reload waits for the daemon")
def _():
	start()
	main = pid()
	m.write(CONF, body("edited"))
	m.must("kill", "-STOP", str(main))
	reload = m.start("systemctl", "reload", "reactord")
	try:
		# The lowest bit is SIGHUP.
		eventually("the daemon is asked", lambda: int(re.search(
			r"^ShdPnd:\t([0-9a-f]+)", m.must("cat", f"/proc/{main}/status"), re.MULTILINE).group(1), 16) & 1)
		for _ in range(10):
			equal(m.show(UNIT, "SubState"), "reload", "its state while nothing is loaded")
			assert reload.poll() is None, "systemctl reload returned before anything was loaded"
	finally:
		m.must("kill", "-CONT", str(main))
		out, err = reload.communicate(timeout=60)
	equal(reload.returncode, 0, f"the reload's exit status ({out}{err})")
	equal(get().body, b"edited", "the answer")


@check("a bad edit: systemctl reload fails, the journal and systemctl status say where, the old one is served")
def _():
	m.write(CONF, body("before"))
	start()
	since = m.cursor()
	m.write(CONF, "[response]\nbody = after\nstatus = abc\n\n[limit]\nmax_body = 1\n")
	assert m.command("systemctl", "reload", "reactord").status != 0, "the reload succeeded"
	equal(get().body.decode(), "before", "the answer")
	for line in (3, 5):
		record = m.find_record(since, f"the error of line {line}", MESSAGE_ID=MESSAGE_CONFIG_ERROR,
				       REACTORD_CONFIG_FILE=CONF, REACTORD_CONFIG_LINE=line)
		assert record["MESSAGE"].startswith(f"{CONF}:{line}: "), record["MESSAGE"]
		equal(record["PRIORITY"], "3", "its priority")
	m.find_record(since, "that it was refused", MESSAGE_ID=MESSAGE_CONFIG_REFUSED)
	status = m.command("systemctl", "status", "reactord").out
	assert f"configuration refused: {CONF}:3: " in status, status
	equal(state(), "active", "the service")
	m.write(CONF, body("mended"))
	m.must("systemctl", "reload", "reactord")
	equal(get().body.decode(), "mended", "the answer after repair")
	assert "refused" not in m.show(UNIT, "StatusText"), "the status still tells of the error"


@check("20 reloads under load, and several at once, close no connection and go back to nothing older")
def _():
	m.write(CONF, body("0"))
	start()
	main = pid()
	with Load(4, kept=True) as load:
		eventually("all clients are served", lambda: load.all_moved_since([0] * 4))
		for n in range(1, 21):
			m.write(CONF, body(n))
			m.must("systemctl", "reload", "reactord")
		m.write(CONF, body(21))
		at_once = [m.start("systemctl", "reload", "reactord") for _ in range(2)]
		at_once += [m.start("reactord", "--reload", str(main)) for _ in range(2)]
		for one in at_once:
			out, err = one.communicate(timeout=60)
			equal(one.returncode, 0, f"one of several reloads at once ({out}{err})")
		equal(get().body, b"21", "the answer")
		counts = list(load.counts)
		eventually("all clients are served still", lambda: load.all_moved_since(counts))
		load.stop()
	equal(load.failures, [], "failures")
	for bodies in load.bodies:
		numbers = [int(text) for text in bodies]
		assert numbers == sorted(numbers) and numbers[-1] == 21, f"one client saw {numbers}"
	equal(pid(), main, "the process")


@check("systemctl kill -s HUP is a reload, and an idle daemon survives it")
def _():
	start()
	main = pid()
	m.write(CONF, body("hup"))
	m.must("systemctl", "kill", "-s", "HUP", "--kill-who=main", "reactord")
	eventually("the new configuration is in force", lambda: get().body == b"hup")
	equal((state(), pid()), ("active", main), "state and process")


@check("a bad file at the start: 503 on the port, errors in the journal; after repair a reload serves it")
def _():
	m.write(CONF, "[response]\nstatus = abc\n")
	m.must("systemctl", "start", SOCKET)
	since = m.cursor()
	for _ in range(3):
		says(get(), "misconfigured", 503)
	is_started()
	equal(m.show(SOCKET, "ActiveState"), "active", "the socket")
	m.find_record(since, "the error", MESSAGE_ID=MESSAGE_CONFIG_ERROR, REACTORD_CONFIG_FILE=CONF, REACTORD_CONFIG_LINE=2)
	assert "misconfigured" in m.command("systemctl", "status", "reactord").out, "the status says nothing of it"
	main = pid()
	m.must("systemctl", "restart", "reactord")
	says(get(), "misconfigured", 503)
	assert m.command("systemctl", "reload", "reactord").status != 0, "a reload of a file that is still bad succeeded"
	says(get(), "misconfigured", 503)
	m.write(CONF, body("mended"))
	m.must("systemctl", "reload", "reactord")
	equal(get().body, b"mended", "the answer after repair")
	assert pid() != main, "the restart restarted nothing"
	assert "misconfigured" not in m.show(UNIT, "StatusText"), "the status still tells of the error"

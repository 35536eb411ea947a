# SPDX-License-Identifier: MIT
"""Reloads: of good files, of bad ones, several at once, under load."""
import re

from clients import Connection, Load, get
from host import (CONF, MESSAGE_CONFIG_ERROR, MESSAGE_CONFIG_REFUSED, SOCKET, UNIT, body, check, equal,
	is_started, m, pid, says, start, state)
from machine import eventually, say


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


def descriptors():
	return len(m.must("ls", f"/proc/{pid()}/fd").split())


def memory_kib():
	"""What is resident, shared mappings included: a snapshot that is not freed is seen in it."""
	return int(re.search(r"^VmRSS:\s+(\d+)", m.must("cat", f"/proc/{pid()}/status"), re.MULTILINE).group(1))


@check("1,000 reloads under load close no connection and keep no snapshot")
def _():
	page = "x" * 100000		# 1,000 of them would be 100 MB
	m.write("/etc/reactord/page", page)
	m.write(CONF, "[route /page]\nbody_file = /etc/reactord/page\n" + body("0"))
	start()
	main = pid()
	with Connection() as kept:
		says(kept.get("/page"), page)
	with Load(4, kept=True) as load:
		eventually("all clients are served", lambda: load.all_moved_since([0] * 4))
		m.shell(f"reactord --reload {main}")
		before = descriptors(), memory_kib()
		# As the service does, but without a process of systemctl for each.
		m.shell(f"""for n in $(seq 1000); do
				printf '[route /page]\\nbody_file = /etc/reactord/page\\n[response]\\nbody = %s\\n' $n >{CONF}
				reactord --reload {main} >/dev/null
			done""")
		counts = list(load.counts)
		eventually("all clients are served still", lambda: load.all_moved_since(counts))
		eventually("descriptors are as before", lambda: descriptors() == before[0])
		grown = memory_kib() - before[1]
		load.stop()
	equal(load.failures, [], "failures")
	equal((pid(), get().body), (main, b"1000"), "the process and the answer")
	for bodies in load.bodies:
		numbers = [int(text) for text in bodies]
		assert numbers == sorted(numbers), "a client saw a configuration that had been replaced"
	assert grown < 8192, f"memory grew by {grown} KiB"
	equal(m.show(UNIT, "StatusText").split("configuration ")[1], "1002", "the number of the configuration")
	say(f"{sum(load.counts)} requests, memory grew by {grown} KiB")


@check("a bad edit with 40 errors: each is in the journal with its file and line, and on stderr of reactord --reload")
def _():
	m.write(CONF, body("before"))
	start()
	m.write("/etc/reactord.conf.d/10-more.conf", "[limits]\n" + "".join(f"wrong{n} = 1\n" for n in range(20)))
	m.write(CONF, "[response]\n" + "".join(f"wrong{n} = 1\n" for n in range(20)))
	since = m.cursor()
	done = m.command("reactord", "--reload", str(pid()))
	equal(done.status, 1, "the exit status")
	places = [(file, n + 2) for file in (CONF, "/etc/reactord.conf.d/10-more.conf") for n in range(20)]
	for file, line in places:
		assert f"{file}:{line}: unknown key" in done.err, f"{file}:{line} is not in {done.err}"
	m.find_record(since, "that it was refused", MESSAGE_ID=MESSAGE_CONFIG_REFUSED)
	records = [(r.get("REACTORD_CONFIG_FILE"), int(r["REACTORD_CONFIG_LINE"]))
		   for r in m.journal(since, "-u", UNIT) if r.get("MESSAGE_ID") == MESSAGE_CONFIG_ERROR]
	equal(records, places, "the places of the errors in the journal")
	equal(get().body, b"before", "the answer")


@check("a reload that changes what needs a restart is refused, and says which key and what to do")
def _():
	start()
	m.write(CONF, "[server]\nworkers = 7\n" + body("new"))
	since = m.cursor()
	done = m.command("reactord", "--reload", str(pid()))
	equal(done.status, 1, "the exit status")
	for word in (f"{CONF}:2: ", "server.workers", "systemctl restart reactord"):
		assert word in done.err, f"{word!r} is not in {done.err!r}"
	m.find_record(since, "the key", MESSAGE_ID=MESSAGE_CONFIG_ERROR, REACTORD_CONFIG_FILE=CONF, REACTORD_CONFIG_LINE=2)
	says(get(), "Hello")
	m.must("systemctl", "restart", "reactord")
	equal(get().body, b"new", "the answer after the restart")


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

# SPDX-License-Identifier: MIT
"""The journal: fields, and what happens when it does not listen."""
import json
import os

from clients import Connection, Load, get
from host import (CONF, MESSAGE_CONFIG_REFUSED, MESSAGE_DROPPED, MESSAGE_LEFT_OUT, MESSAGE_REQUEST, MESSAGE_SWITCH, UNIT,
		  check, equal, m, pid, says, start)
from machine import eventually, say


@check("journalctl -u reactord -o json has the fields of a request")
def _():
	m.write(CONF, "[route /a/*]\nheader = X-Id: ${request_id}\nbody = here\n[log]\naccess = all\n")
	start()
	since = m.cursor()
	with Connection() as connection:
		answer = connection.get("/a/b?c")
		says(answer, "here")
		record = m.find_record(since, "the request", MESSAGE_ID=MESSAGE_REQUEST, REACTORD_METHOD="GET",
				       REACTORD_TARGET="/a/b?c", REACTORD_STATUS=200, SYSLOG_IDENTIFIER="reactord", PRIORITY=6)
		equal(record["REACTORD_PEER"], "127.0.0.1:%d" % connection.http.sock.getsockname()[1], "REACTORD_PEER")
	equal(record["REACTORD_ROUTE"], "/a/*", "REACTORD_ROUTE")
	equal(record["REACTORD_BYTES"], "4", "REACTORD_BYTES")
	equal(record["REACTORD_REQUEST_ID"], answer.fields["X-Id"], "REACTORD_REQUEST_ID")
	assert "REACTORD_WORKER" in record and int(record["REACTORD_CONNECTION"]) > 0, record


@check("journalctl -x explains each message, and names the line of a mistake with what is to be done")
def _():
	start()
	m.must("journalctl", "--update-catalog")	# as make install does, which had only staged it
	since = m.cursor()
	m.write(CONF, "[response]\nstatus = abc\n")
	assert m.command("systemctl", "reload", "reactord").status != 0, "the reload of a bad file succeeds"
	m.find_record(since, "that it was refused", MESSAGE_ID=MESSAGE_CONFIG_REFUSED)
	said = m.must("journalctl", "-x", "--after-cursor=" + since, "-u", UNIT)
	for text in (f"Subject: Line 2 of {CONF}", f"Remedy: mend line 2 of {CONF}",
		     "reactord --check && systemctl reload reactord", "Subject: reactord refused a new configuration",
		     "Documentation: man:reactord.conf(5)"):
		assert text in said, f"{text!r} is not in {said}"
	ours = [line.split()[0] for line in m.must("journalctl", "--list-catalog").splitlines() if " reactord: " in line]
	started = m.must("journalctl", "-o", "json", "-u", UNIT, "--no-pager")
	unexplained = {json.loads(line).get("MESSAGE_ID") for line in started.splitlines()
		       if json.loads(line).get("SYSLOG_IDENTIFIER") == "reactord"} - set(ours)
	assert not unexplained - {None}, f"not in the catalog: {unexplained}"


MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../man/reactord.8")


@check("each journalctl command of the manual works as it is printed there")
def _():
	m.write(CONF, "[route /health]\nbody = ok\n[route /down]\nstatus = 503\n[log]\naccess = all\n")
	start()
	m.must("journalctl", "--update-catalog")
	since = m.cursor()
	with Connection() as connection:
		says(connection.get("/health"), "ok")
		says(connection.get("/down"), "", 503)
	m.find_record(since, "both requests", MESSAGE_ID=MESSAGE_REQUEST, REACTORD_STATUS=503)
	with open(MANUAL, encoding="utf-8") as manual:
		commands = [line[len(".Dl "):].strip() for line in manual if line.startswith(".Dl journalctl")]
	said = {}
	for command in commands:
		done = m.command("sh", "-c", command)
		assert done.status == 0 and not done.err, f"{command}: {done}"
		said[command] = done.out
	for words, wanted in (("-x ", "Documentation: man:reactord(8)"), ("--list-catalog", "reactord has started"),
			      ("ROUTE=/health", "GET /health"), ("STATUS=503", "GET /down"), ("-F REACTORD_ROUTE", "/down"),
			      ("uniq", "1 /health")):
		[command] = [command for command in commands if words in command]
		assert wanted in said[command], f"{command}: no {wanted!r} in {said[command]}"


JOURNALD = "systemd-journald.service"
JOURNALD_SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"
SOCKETS = ("systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket")


def journal_comes_back():
	m.must("systemctl", "start", *SOCKETS, JOURNALD)


def hang():
	journald = m.show(JOURNALD, "MainPID")
	m.must("kill", "-STOP", journald)
	eventually("journald hangs", lambda: "State:\tT" in m.must("cat", f"/proc/{journald}/status"))
	return lambda: m.must("kill", "-CONT", journald)


def die():
	m.must("systemctl", "stop", *SOCKETS, JOURNALD)
	return journal_comes_back


def restart():
	m.must("systemctl", "restart", JOURNALD)
	return lambda: None


def count_records(since):
	"""Of the requests: how many are told, and how many are said to be lost."""
	told = lost = 0
	for record in m.journal(since, "-u", UNIT):
		if record.get("MESSAGE_ID") == MESSAGE_REQUEST:
			told += 1
		elif record.get("MESSAGE_ID") == MESSAGE_DROPPED:
			lost += int(record["REACTORD_LOST"])
	return told, lost


def is_written_to():
	after = m.cursor()
	with Connection() as connection:
		says(connection.get("/after"), "Hello")
	m.find_record(after, "what is asked afterwards", MESSAGE_ID=MESSAGE_REQUEST, REACTORD_TARGET="/after")


def go_on_through(trouble):
	"""Clients on kept and on new connections are answered all the while, by the same process.  Returns how many requests
	there were, and where the journal was before."""
	m.write(CONF, "[log]\naccess = all\naccess_limit = 0\n")
	start()
	since = m.cursor()
	began = pid()
	with Load(3, kept=True) as kept, Load(1, kept=False) as new:
		for load in (kept, new):
			eventually("all clients are answered before", lambda load=load: load.all_moved_since([0] * len(load.counts)))
		end = trouble()
		try:
			for load in (kept, new):
				before = list(load.counts)	# and then more than there is room for
				eventually("all clients are answered meanwhile",
					   lambda load=load, before=before: load.all_moved_since([n + 600 for n in before]))
		finally:
			end()
		kept.stop()
		new.stop()
	assert not kept.failures + new.failures, (kept.failures + new.failures)[:5]
	equal(pid(), began, "the daemon's process")
	return sum(kept.counts) + sum(new.counts), since


def serve_through(trouble, in_flight=0):
	"""As above, and afterwards each request is in the journal, or counted as lost.  in_flight: records that journald may have
	thrown away itself."""
	asked, since = go_on_through(trouble)

	def accounted():
		told, lost = count_records(since)
		assert told + lost <= asked, f"{told} told and {lost} lost of {asked}"
		return told + lost >= asked - in_flight and (told, lost)
	told, lost = eventually(f"all {asked} are in the journal or said to be lost", accounted)
	say(f"{asked} requests: {told} are told and {lost} lost")
	is_written_to()
	return lost


@check("while journald hangs, requests are answered; then it has each of them, or says how many are lost")
def _():
	assert serve_through(hang) > 0, "nothing was lost: it did not hang"


@check("while the journal is stopped with its sockets, requests are answered; when it is back it is written to again")
def _():
	if m.show(UNIT, "OpenFile"):	# a descriptor of a socket that is no more, and no right to open another
		go_on_through(die)
		m.must("systemctl", "restart", "reactord")
		is_written_to()
		return
	# What its sockets held when they were closed nobody can count: the queue of one, and the lines in the buffer of the
	# stream, each of which takes more than 256 bytes of it.
	queue = int(m.must("cat", "/proc/sys/net/unix/max_dgram_qlen"))
	stream = int(m.must("cat", "/proc/sys/net/core/wmem_default")) // 256
	assert serve_through(die, in_flight=queue + 1 + stream) > 0, "nothing was lost: it was not stopped"


@check("a restart of journald costs no request")
def _():
	serve_through(restart)


@check("beyond log.access_limit requests are counted, each of them, so that journald drops nothing")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	since = m.cursor()
	with Load(4, kept=True) as load:
		eventually("more were answered than are logged in a second", lambda: sum(load.counts) > 1000)
		load.stop()
	assert not load.failures, load.failures[:5]
	asked = sum(load.counts)

	def accounted():
		records = m.journal(since, "-u", UNIT)
		left_out = sum(int(r["REACTORD_LEFT_OUT"]) for r in records if r.get("MESSAGE_ID") == MESSAGE_LEFT_OUT)
		told, lost = count_records(since)
		assert told + left_out + lost <= asked, f"{told} told, {left_out} left out and {lost} lost of {asked}"
		return told + left_out + lost == asked and (told, left_out, lost)
	told, left_out, lost = eventually("all are in the journal or counted", accounted)
	say(f"{asked} requests: {told} are told, {left_out} left out and {lost} lost")
	assert left_out > 0, "the limit was not reached"
	suppressed = [r for r in m.journal(since) if r.get("MESSAGE_ID") == JOURNALD_SUPPRESSED]
	assert not suppressed, suppressed


@check("a switch that flaps is told ten times in ten seconds, and in the end how it is")
def _():
	m.write(CONF, "[maintenance]\nenable_if_exists = /run/reactord/flapping\n")
	start()
	since = m.cursor()
	for _ in range(50):
		m.write("/run/reactord/flapping", "")
		eventually("it is on", lambda: get().status == 503)
		m.remove("/run/reactord/flapping")
		eventually("it is off", lambda: get().status == 200)

	def accounted():	# where it takes longer than the ten seconds for which ten are told, there are ten more
		records = [r for r in m.journal(since, "-u", UNIT) if r.get("MESSAGE_ID") == MESSAGE_SWITCH]
		left_out = sum(int(r.get("REACTORD_LEFT_OUT", 0)) for r in records)
		assert len(records) + left_out <= 100, records
		return len(records) + left_out == 100 and records
	records = eventually("all turns are told or counted", accounted)
	assert records[-1]["MESSAGE"].startswith("/run/reactord/flapping is gone"), records[-1]["MESSAGE"]
	assert 11 <= len(records) <= 44, f"{len(records)} lines"

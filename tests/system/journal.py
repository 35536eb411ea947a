# SPDX-License-Identifier: MIT
"""The journal: fields, and what happens when it does not listen."""
import json
import time

from clients import Connection, get
from host import CONF, MESSAGE_CONFIG_REFUSED, MESSAGE_DROPPED, MESSAGE_REQUEST, UNIT, check, equal, m, says, start
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
	for text in (f"Subject: Line 2 of {CONF}", f"Remedy: mend line 2 of {CONF}", "reactord --check && systemctl reload reactord",
		     "Subject: reactord refused a new configuration", "Documentation: man:reactord.conf(5)"):
		assert text in said, f"{text!r} is not in {said}"
	ours = [line.split()[0] for line in m.must("journalctl", "--list-catalog").splitlines() if " reactord: " in line]
	started = m.must("journalctl", "-o", "json", "-u", UNIT, "--no-pager")
	unexplained = {json.loads(line).get("MESSAGE_ID") for line in started.splitlines()
		       if json.loads(line).get("SYSLOG_IDENTIFIER") == "reactord"} - set(ours)
	assert not unexplained - {None}, f"not in the catalog: {unexplained}"


@check("while journald hangs, requests are answered; then it has each of them, or says how many are lost")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	since = m.cursor()
	journald = m.show("systemd-journald.service", "MainPID")
	m.must("kill", "-STOP", journald)
	try:
		eventually("journald hangs", lambda: "State:\tT" in m.must("cat", f"/proc/{journald}/status"))
		begun = time.monotonic()
		with Connection() as kept:
			for _ in range(2000):	# more than there is room for
				says(kept.get(), "Hello")
		for _ in range(200):
			says(get(), "Hello")
		took = time.monotonic() - begun
	finally:
		m.must("kill", "-CONT", journald)
	# Had one waited for journald, its client would have given up.
	say(f"2200 requests took {took:.2f} s")

	def accounted():
		told = lost = 0
		for record in m.journal(since, "-u", UNIT):
			if record.get("MESSAGE_ID") == MESSAGE_REQUEST:
				told += 1
			elif record.get("MESSAGE_ID") == MESSAGE_DROPPED:
				lost += int(record["MESSAGE"].split()[0])
		assert told + lost <= 2200, f"{told} told and {lost} lost of 2200"
		return told + lost == 2200 and (told, lost)
	told, lost = eventually("all 2200 are in the journal or said to be lost", accounted)
	say(f"{told} are told and {lost} lost")

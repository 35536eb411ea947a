# SPDX-License-Identifier: MIT
"""The journal: fields, and what happens when it does not listen."""
import time

from clients import Connection, get
from host import CONF, MESSAGE_DROPPED, MESSAGE_REQUEST, UNIT, check, equal, m, says, start
from machine import eventually, say


@check("journalctl -u reactord -o json has the fields of a request")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	since = m.cursor()
	with Connection() as connection:
		says(connection.get("/a/b?c"), "Hello")
		record = m.find_record(since, "the request", MESSAGE_ID=MESSAGE_REQUEST, REACTORD_METHOD="GET",
				       REACTORD_TARGET="/a/b?c", REACTORD_STATUS=200, SYSLOG_IDENTIFIER="reactord", PRIORITY=6)
		equal(record["REACTORD_PEER"], "127.0.0.1:%d" % connection.http.sock.getsockname()[1], "REACTORD_PEER")
	assert int(record["REACTORD_BYTES"]) > 0 and "REACTORD_WORKER" in record and "REACTORD_CONNECTION" in record, record


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

# SPDX-License-Identifier: MIT
"""Stops and drains."""
import re

from clients import Connection, get
from host import (CONF, DROP_IN, UNIT, begin_upload, check, end_upload, equal, is_started, m, says,
	start, state)
from machine import eventually


@check("while journald hangs, it stops as cleanly")
def _():
	m.write(CONF, "[log]\naccess = all\n")
	start()
	journald = m.show("systemd-journald.service", "MainPID")
	m.must("kill", "-STOP", journald)
	try:
		with Connection() as kept:
			for _ in range(200):
				says(kept.get(), "Hello")
		m.must("systemctl", "stop", "reactord")
	finally:
		m.must("kill", "-CONT", journald)
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus")), ("success", "0"), "Result, ExecMainStatus")


@check("while journald hangs, a bad start answers 503 as quickly")
def _():
	m.write(CONF, "[response]\n" + "".join(f"wrong{n} = 1\n" for n in range(200)))
	journald = m.show("systemd-journald.service", "MainPID")
	m.must("kill", "-STOP", journald)
	try:
		start()
		says(get(), "misconfigured", 503)
	finally:
		m.must("kill", "-CONT", journald)


@check("systemctl stop answers the request in progress first and ends cleanly; a request starts it again")
def _():
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it drains", lambda: m.show(UNIT, "StatusText").startswith("draining"))
		equal(m.show(UNIT, "SubState"), "stop-sigterm", "its state while a request is in progress")
		says(end_upload(upload), "Hello")
	eventually("it has stopped", lambda: state() == "inactive")
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus"), m.show(UNIT, "ExecMainCode")),
	      ("success", "0", "1"), "Result, ExecMainStatus, ExecMainCode (1: it exited)")
	says(get(), "Hello")
	is_started()


@check("a request in progress that never ends holds up a stop no longer than server.drain_timeout")
def _():
	m.write(CONF, "[server]\ndrain_timeout = 1s\n")
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "reactord")
	# systemd would have killed it after TimeoutStopSec=, with another result.
	equal((m.show(UNIT, "Result"), m.show(UNIT, "ExecMainStatus")), ("success", "0"), "Result, ExecMainStatus")


@check("a drain may take longer than the unit's TimeoutStopSec=")
def _():
	m.write(DROP_IN, "[Service]\nTimeoutStopSec=1s\n")
	m.must("systemctl", "daemon-reload")
	start()
	with Connection() as upload:
		begin_upload(upload)
		m.must("systemctl", "stop", "--no-block", "reactord")
		eventually("it has drained for 3 s", lambda: re.search(r" [1-7] s$", m.show(UNIT, "StatusText")))
		says(end_upload(upload), "Hello")
	eventually("it has stopped", lambda: state() != "deactivating")
	equal((state(), m.show(UNIT, "Result")), ("inactive", "success"), "state, Result")

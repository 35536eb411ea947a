# SPDX-License-Identifier: MIT
"""The watchdog."""
from clients import get
from host import DROP_IN, UNIT, check, equal, m, pid, says, start, state
from machine import eventually


@check("the watchdog is fed by an idle daemon, and ends one that hangs")
def _():
	start()
	assert m.show(UNIT, "WatchdogUSec") not in ("0", "infinity"), "the unit sets no watchdog"
	m.must("systemctl", "stop", "reactord")
	m.write(DROP_IN, "[Service]\nWatchdogSec=2s\n")
	m.must("systemctl", "daemon-reload")
	start()
	main = pid()

	def fed():
		return int(m.show(UNIT, "WatchdogTimestampMonotonic"))
	begun = fed()
	assert begun > 0, "the watchdog is not armed"
	# It is fed twice in each period: by then a daemon that did not feed it would have been killed.
	eventually("it was fed beyond two periods", lambda: fed() > begun + 4_000_000)
	equal((state(), pid(), m.show(UNIT, "NRestarts")), ("active", main, "0"), "state, process, NRestarts")
	m.must("systemctl", "kill", "-s", "STOP", "--kill-who=main", "reactord")
	eventually("it has been restarted", lambda: pid() not in (0, main) and state() == "active")
	says(get(), "Hello")

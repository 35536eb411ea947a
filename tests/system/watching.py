# SPDX-License-Identifier: MIT
"""The status and the watchdog."""
import ctypes
import os
import re
import shutil

from clients import Connection, Load, get
from host import CONF, DROP_IN, MESSAGE_WORKER_STUCK, UNIT, check, equal, m, pid, says, start, state
from machine import eventually

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000	# waitpid: also for threads


# --- the status --------------------------------------------------------------------------------------------------

@check("systemctl status tells listeners, connections, requests per second and the configuration")
def _():
	start()

	def told():
		found = re.fullmatch(r"serving on 127\.0\.0\.1:8000, (\d+) connections?, ([\d.]+) requests/s, configuration 1",
				     m.show(UNIT, "StatusText"))
		assert found, m.show(UNIT, "StatusText")
		return int(found.group(1)), float(found.group(2))
	equal(told(), (0, 0), "connections and requests per second of a daemon that nobody has used")
	with Load(4, kept=True) as load:
		eventually("it tells of the load", lambda: told()[0] == 4 and told()[1] > 0)
		load.stop()
	eventually("it tells that the load is over", lambda: told() == (0, 0), 40)


# --- the watchdog ------------------------------------------------------------------------------------------------

def start_with_watchdog(executor="inline"):
	m.write(DROP_IN, "[Service]\nWatchdogSec=2s\n")
	m.write(CONF, f"[server]\nworkers = 2\nexecutor = {executor}\n")
	m.must("systemctl", "daemon-reload")
	start()
	return pid()


def is_replaced(main):
	eventually("it has been restarted", lambda: pid() not in (0, main) and state() == "active")
	says(get(), "Hello")


@check("the watchdog is fed by an idle daemon, and ends one that hangs")
def _():
	start()
	assert m.show(UNIT, "WatchdogUSec") not in ("0", "infinity"), "the unit sets no watchdog"
	m.must("systemctl", "stop", "reactord")
	main = start_with_watchdog()

	def fed():
		return int(m.show(UNIT, "WatchdogTimestampMonotonic"))
	begun = fed()
	assert begun > 0, "the watchdog is not armed"
	# It is fed twice in each period: by then a daemon that did not feed it would have been killed.
	eventually("it was fed beyond two periods", lambda: fed() > begun + 4_000_000)
	equal((state(), pid(), m.show(UNIT, "NRestarts")), ("active", main, "0"), "state, process, NRestarts")
	m.must("systemctl", "kill", "-s", "STOP", "--kill-who=main", "reactord")
	is_replaced(main)


def seen_from_here(inner):
	"""The process that has this number in the container."""
	for name in os.listdir("/proc"):
		if not name.isdigit():
			continue
		try:
			with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as file:
				numbers = re.search(r"^NSpid:\t(.*)$", file.read(), re.MULTILINE).group(1).split()
		except (OSError, AttributeError):
			continue
		if len(numbers) > 1 and int(numbers[-1]) == inner:
			return int(name)
	raise AssertionError(f"process {inner} of the container is not to be found")


def task_named(process, wanted):
	for task in os.listdir(f"/proc/{process}/task"):
		with open(f"/proc/{process}/task/{task}/comm", encoding="ascii") as file:
			if file.read().strip() == wanted:
				return int(task)
	raise AssertionError(f"no thread is named {wanted}")


class Debugger:
	"""Holds one thread of a process; the others run."""

	def __init__(self, task):
		self.task = task
		self.libc = ctypes.CDLL(None, use_errno=True)
		for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
			if self.libc.ptrace(request, task, None, None) != 0:
				raise OSError(ctypes.get_errno(), "ptrace")
		os.waitpid(task, WALL)

	def is_gone(self):
		"""A thread that has ended is there until its debugger has looked."""
		return os.waitpid(self.task, WALL | os.WNOHANG)[0] == self.task


def hold_and_see(executor, thread, number):
	main = start_with_watchdog(executor)
	since = m.cursor()
	debugger = Debugger(task_named(seen_from_here(main), thread))
	m.find_record(since, "that the worker does not answer", MESSAGE_ID=MESSAGE_WORKER_STUCK,
		      MESSAGE=f"worker {number} does not answer: the watchdog is not fed")
	eventually("systemd has ended it", debugger.is_gone)
	is_replaced(main)
	equal(m.show(UNIT, "NRestarts"), "1", "NRestarts")


@check("a worker that is held by a debugger is named in the journal, and systemd restarts the daemon")
def _():
	hold_and_see("inline", "worker-1", 1)


@check("a reactor thread that is held by a debugger, too (executor = threaded)")
def _():
	hold_and_see("threaded", "reactor", 0)


@check("a callback that never returns: the worker is named in the journal, and systemd restarts the daemon")
def _():
	shutil.copy(m.tool("hook_spin.so"), m.path("/usr/lib/reactord-spin.so"))
	m.write(DROP_IN, "[Service]\nWatchdogSec=2s\nEnvironment=LD_PRELOAD=/usr/lib/reactord-spin.so\n")
	m.must("systemctl", "daemon-reload")
	start()
	main = pid()
	says(get(), "Hello")
	since = m.cursor()
	with Connection() as spinning:
		spinning.send(b"GET /spin HTTP/1.1\r\nHost: localhost\r\n\r\n")
		record = m.find_record(since, "that the worker does not answer", MESSAGE_ID=MESSAGE_WORKER_STUCK)
		assert re.fullmatch(r"worker \d+ does not answer: the watchdog is not fed", record["MESSAGE"]), record["MESSAGE"]
		is_replaced(main)

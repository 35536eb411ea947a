# SPDX-License-Identifier: MIT
"""Rights that are taken away one at a time: it serves, or it ends with a status and says why; no signal, no silence."""
from host import DROP_IN, SOCKET, UNIT, check, m
from machine import say

STATUSES = ("0", "70", "71", "78")	# those of the manual

# What is called in a start, requests, a reload, a restart and a stop, but for what no program says anything without:
# loading itself, memory, files to read, write(), futex(), with which glibc aborts, and getpid(), which cannot fail.
CALLS = """accept4 clone3 epoll_create1 epoll_ctl epoll_wait eventfd2 fchmod fcntl ftruncate getpeername getrandom
	getsockname getsockopt inotify_add_watch inotify_init1 kill lseek madvise memfd_create pidfd_open
	pidfd_send_signal pipe2 poll prctl prlimit64 pwritev readlink recvfrom recvmsg rename rt_sigprocmask
	sched_getaffinity sendmsg sendto setsockopt shutdown signalfd4 socket socketpair unlink @ipc @timer""".split()

WITHOUT_VERDICT = ("fchmod", "rename", "ReadOnlyPaths=/run")	# reactord --reload waits a minute for it


def answers():
	return m.command("curl", "-sS", "-m", "3", "http://127.0.0.1:8000/").out == "Hello"


def without(what, line):
	"""Returns what came of it, or fails."""
	m.write(DROP_IN, f"[Service]\nRestart=no\nTimeoutStartSec=10s\nTimeoutStopSec=10s\n{line}\n")
	m.must("systemctl", "daemon-reload")
	m.command("systemctl", "reset-failed", UNIT)
	since = m.cursor()
	served = m.command("systemctl", "start", UNIT).status == 0 and answers()
	if served:
		if what not in WITHOUT_VERDICT:
			m.command("systemctl", "reload", UNIT)
		m.command("systemctl", "restart", UNIT)
		served = answers()
	m.command("systemctl", "stop", SOCKET, UNIT)	# or who was never accepted starts it again
	code, status = m.show(UNIT, "ExecMainCode"), m.show(UNIT, "ExecMainStatus")
	if code == "0":		# forgotten, as only a unit is that ended well
		code = "1"
	told = [record for record in m.journal(since, "-u", UNIT)
		if record.get("SYSLOG_IDENTIFIER") == "reactord" and int(record.get("PRIORITY", 6)) <= 4]
	assert code == "1", f"without {what} it was ended by a signal: code {code}, status {status}"
	assert status in STATUSES, f"without {what} it ended with status {status}"
	if not served or status != "0":
		assert told, f"without {what} it said nothing: served {served}, status {status}"
	return f"{'serves' if served else 'does not serve'}, status {status}" + (f": {told[0]['MESSAGE']}" if told else "")


def try_all(whats):
	wrong = []
	for what, line in whats:
		try:
			say(f"without {what}: {without(what, line)}")
		except AssertionError as error:
			wrong.append(str(error))
	assert not wrong, "; ".join(wrong)


@check("without one system call it serves, or ends with a status and says why")
def _():
	try_all((call, f"SystemCallFilter=~{call}") for call in CALLS)


@check("with small limits and without places it serves, or ends with a status and says why")
def _():
	try_all((line, line) for line in (
		"RuntimeDirectory=", "ReadOnlyPaths=/run", "LimitNOFILE=64", "LimitNOFILE=20",
		"LimitNPROC=1", "TasksMax=2", "MemoryMax=8M", "LimitAS=64M", "LimitFSIZE=0", "LimitSTACK=64K",
		"FileDescriptorStoreMax=0", "NotifyAccess=all", "StandardError=null", "StandardError=file:/dev/full"))

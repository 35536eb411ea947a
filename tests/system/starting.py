# SPDX-License-Identifier: MIT
"""The start, the sandbox, the manual."""
import re

from clients import get
from host import SOCKET, UNIT, check, equal, is_started, m, pid, says, start, state


@check("systemctl start reactord: a request is answered Hello")
def _():
	start()
	answer = get()
	says(answer, "Hello")
	equal(answer.body, b"Hello", "the body")


@check("after systemctl enable --now reactord.socket the first request starts it, and is answered")
def _():
	m.must("systemctl", "enable", "--now", SOCKET)
	equal(state(), "inactive", "the service before the request")
	says(get(), "Hello")
	is_started()
	m.must("systemctl", "disable", SOCKET)


@check("it is ready only when it serves: 10 starts, each with a request behind it")
def _():
	for _ in range(10):
		m.command("systemctl", "stop", SOCKET, UNIT)
		out = m.shell("systemctl start reactord && systemctl show -P StatusText reactord && "
			      "exec curl -sS -m 5 http://127.0.0.1:8000/")
		equal(out, "serving on 127.0.0.1:8000, 0 connections, 0 requests/s, configuration 1\nHello",
		      "the status and the answer behind the start")


@check("it is in its sandbox: a user of its own, no capability, no new privileges, a filter of system calls")
def _():
	start()
	main = pid()
	tasks = m.must("ls", f"/proc/{main}/task").split()
	assert len(tasks) >= 2, f"only {tasks}: are there no workers?"
	for task in tasks:
		said = dict(re.findall(r"^(\w+):\t(.*)$", m.must("cat", f"/proc/{main}/task/{task}/status"), re.MULTILINE))
		for ids in (said["Uid"], said["Gid"]):
			assert "0" not in ids.split(), f"task {task} runs as {ids}"
		for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
			equal(int(said[key], 16), 0, key)
		equal(said["NoNewPrivs"], "1", "NoNewPrivs")
		equal(said["Seccomp"], "2", "Seccomp")


@check("systemd-analyze verify finds nothing in the units")
def _():
	done = m.command("systemd-analyze", "verify", UNIT, SOCKET)
	assert done.status == 0 and not done.out and not done.err, repr(done)


@check("systemd-analyze security is at most 0.2")
def _():
	done = m.command("systemd-analyze", "security", "--offline=true", "--threshold=2", "--no-pager", UNIT)
	assert done.status == 0, f"exit status {done.status}: {done.out.splitlines()[-1:]} {done.err}"


@check("man reactord and man reactord.conf show the manual")
def _():
	for page, section, words in (("reactord", 8, ("systemctl reload", "--check")),
				     ("reactord.conf", 5, ("drain_timeout", "max_body"))):
		done = m.command("man", page)
		assert done.status == 0, repr(done)
		first = done.out.strip().splitlines()[0]
		assert first.upper().startswith(f"{page.upper()}({section})"), f"the page begins {first!r}"
		for word in words:
			assert word in done.out, f"man {page} does not have {word!r}"

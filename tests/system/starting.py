# SPDX-License-Identifier: MIT
"""The start, the manual."""
from clients import get
from host import SOCKET, UNIT, check, equal, is_started, m, says, start, state


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

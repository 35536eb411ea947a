# SPDX-License-Identifier: MIT
"""The strict client (strict.c) from here, and the configuration that it needs."""
import os
import subprocess

from clients import PORT
from host import CONF, m
from machine import eventually

LONG = "/etc/long"
KINDS = ("sequential", "pipelined", "posting", "reading", "fresh")
ROUTES = f"""
[route /echo/*]
status = 201
header = Location: ${{target}}
body = there
[route /long/*]
status = 201
header = Location: ${{target}}
body_file = {LONG}
"""


def write_version(version):
	"""The long content: numbered lines of that version."""
	m.write(LONG, "".join(f"{version:06} {n:08}\n" for n in range(200000)))


def configure(more=""):
	write_version(1)
	m.write(CONF, more + ROUTES)


class Strict:
	"""It runs from here to stop(); the counts are a dictionary at any time."""

	def __init__(self, think_ms=50, **kinds):
		path = m.tool("strict")
		self.program = subprocess.Popen([path, str(PORT), str(think_ms), *(str(kinds.get(kind, 0)) for kind in KINDS)],
						stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
		self.kept = sum(kinds.values()) - kinds.get("fresh", 0)
		eventually("all are connected", lambda: self.counts()["connects"] >= self.kept)

	def read(self):
		words = self.program.stdout.readline().split()
		return dict(zip(words[::2], map(int, words[1::2])))

	def counts(self):
		self.program.stdin.write("\n")
		self.program.stdin.flush()
		return self.read()

	def goes_on(self, answers=50):
		"""So many more are answered from now on."""
		before = self.counts()["answered"]
		eventually("clients are answered", lambda: self.counts()["answered"] >= before + answers)

	def stop(self):
		"""The counts when everything is answered, or has been waited for."""
		self.program.stdin.close()
		counts = self.read()
		self.said = self.program.stderr.read()
		self.program.wait(10)
		return counts

	def stop_clean(self):
		"""The same, of clients that have seen nothing wrong."""
		counts = self.stop()
		wrong = {key: counts[key] for key in ("lost", "wrong", "closed", "reset", "refused") if counts[key]}
		assert not wrong, f"{wrong} of {counts}: {self.said}"
		assert counts["requests"] == counts["answered"] > 0, f"{counts}"
		return counts

	def __enter__(self):
		return self

	def __exit__(self, *_):
		if self.program.poll() is None:
			self.program.kill()
		self.program.wait()
		for pipe in (self.program.stdout, self.program.stderr):
			pipe.close()


def is_there(tool):
	return any(os.access(os.path.join(directory, tool), os.X_OK) for directory in os.environ["PATH"].split(":"))

# SPDX-License-Identifier: MIT
"""
A host for the tests: Debian's systemd, booted as process 1 of a container, with reactord installed into it.

The root directory is made once, by debootstrap, and kept in a cache outside the tree; each run writes into a layer of
its own above it, so that no run sees what another left.  The container has a network of its own with nothing but a
loopback interface; the test program joins that network, so that its own sockets are clients in there.

A mock of systemd was rejected: what is tested here is what systemd does with the units.
"""
import ctypes
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
LOCK = "/run/reactord-tests.lock"
PACKAGES = "systemd,systemd-sysv,dbus,procps,iproute2,curl,libinih1,man-db"
ENVIRONMENT = {
	"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG": "C.UTF-8",
	"TERM": "dumb",
	"SYSTEMD_PAGER": "",
	"SYSTEMD_COLORS": "0",
	"PAGER": "cat",
	"MANPAGER": "cat",
}


class Unable(Exception):
	"""This machine cannot run the tests; the text says why."""


def say(text):
	print("# " + text, flush=True)


def eventually(what, condition, seconds=20):
	"""Asks until the answer is true, and returns it.  The pause only saves work; no answer is right because of it."""
	end = time.monotonic() + seconds
	while True:
		answer = condition()
		if answer:
			return answer
		if time.monotonic() > end:
			raise AssertionError(f"after {seconds} s still not: {what}")
		time.sleep(0.02)


def run(arguments, **more):
	"""A command on this machine that must succeed; what it said is shown only when it did not."""
	done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
			      text=True, errors="replace", check=False, **more)
	if done.returncode != 0:
		raise RuntimeError(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout[-4000:]}")
	return done.stdout


# --- the root directory ------------------------------------------------------------------------------------------

def check_tools():
	if os.geteuid() != 0:
		raise Unable("it boots a container, for which it must be root")
	for tool, package in (("systemd-nspawn", "systemd-container"), ("debootstrap", "debootstrap"),
			      ("nsenter", "util-linux")):
		if not shutil.which(tool):
			raise Unable(f"{tool} is missing: install {package}")


def release():
	"""This machine's."""
	said = {}
	try:
		with open("/etc/os-release", encoding="utf-8") as lines:
			for line in lines:
				key, _, value = line.strip().partition("=")
				said[key] = value.strip('"')
	except OSError:
		pass
	if said.get("ID") != "debian" or not said.get("VERSION_CODENAME"):
		raise Unable("this machine is no Debian: the container is made of its release, so that the daemon, built with "
			     "this machine's libraries, runs in there")
	return said["VERSION_CODENAME"]


def mirror(suite):
	"""Where this machine gets a release's packages from; None leaves it to debootstrap."""
	directory = "/etc/apt/sources.list.d"
	files = ["/etc/apt/sources.list"]
	if os.path.isdir(directory):
		files += sorted(os.path.join(directory, name) for name in os.listdir(directory))
	for name in files:
		if not os.path.isfile(name):
			continue
		with open(name, encoding="utf-8", errors="replace") as file:
			text = file.read()
		if name.endswith(".sources"):
			for stanza in re.split(r"\n\s*\n", text):
				fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
				if "deb" in fields.get("Types", "").split() and suite in fields.get("Suites", "").split() \
						and "main" in fields.get("Components", "").split():
					return fields["URIs"].split()[0]
		else:
			for line in text.splitlines():
				found = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
				if found and found.group(2) == suite and "main" in found.group(3).split():
					return found.group(1)
	return None


def cached_root(suite):
	"""Made aside and renamed, so that it is there as a whole or not at all; whoever comes second uses the first's."""
	cache = os.environ.get("REACTORD_TEST_CACHE") or "/var/cache/reactord-tests"
	# Another list of packages is another root.
	root = os.path.join(cache, f"{suite}-{platform.machine()}-{hash_text(PACKAGES):08x}")
	if os.path.isdir(root):
		return cache, root
	os.makedirs(cache, exist_ok=True)
	new = tempfile.mkdtemp(prefix="new-", dir=cache)
	os.chmod(new, 0o755)
	say(f"making a root directory of {suite} in {root}, once")
	# It mounts /proc and /sys in there: in namespaces of its own, so that what an interrupted one leaves can be removed
	# without reaching into them, and its children end with it.
	command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		   "debootstrap", "--variant=minbase", "--include=" + PACKAGES, suite, new]
	where = mirror(suite) or mirror(release())	# a mirror has all releases
	if where:
		command.append(where)
	try:
		try:
			run(command)
		except RuntimeError as error:
			if suite == release():
				raise
			raise Unable(f"no root directory of {suite} can be made: {str(error).splitlines()[-1]}") from error
		try:
			os.rename(new, root)
		except OSError:
			if not os.path.isdir(root):
				raise
	finally:
		if os.path.isdir(new):
			shutil.rmtree(new, ignore_errors=True)
	return cache, root


def be_alone():
	"""Two systemds that were booted from one control group share it, and remove each other's; so a run waits for another.

	Returns the lock, which is held for as long as it is open."""
	lock = open(LOCK, "w", encoding="ascii")	# pylint: disable=consider-using-with
	try:
		fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
	except BlockingIOError:
		say("waiting until another run is over")
		fcntl.flock(lock, fcntl.LOCK_EX)
	return lock


def hash_text(text):
	value = 0
	for byte in text.encode():
		value = (value * 31 + byte) & 0xffffffff
	return value


# --- what is installed -------------------------------------------------------------------------------------------

def usable_build(build):
	"""Is it configured as a distribution would, without sanitizers, whose libraries the container has not?"""
	with open(os.path.join(build, "Makefile"), encoding="utf-8") as file:
		said = dict(re.findall(r"^(\w+) = ?(.*)$", file.read(), re.MULTILINE))
	return said.get("prefix") == "/usr" and said.get("sysconfdir") == "/etc" and not said.get("SANITIZER_CFLAGS")


def make_build(build, scratch):
	"""A build with --prefix=/usr --sysconfdir=/etc: the one there is, or another of the same sources.

	Not by VPATH: configure refuses that when the sources were configured in place; so it is what a release has."""
	if usable_build(build):
		return build
	say("building for --prefix=/usr --sysconfdir=/etc")
	source = os.path.join(scratch, "source")
	run(["make", "-C", build, "distdir", "distdir=" + source], env=outside_make())
	run(["chmod", "-R", "u+w", source])
	run(["./configure", "--prefix=/usr", "--sysconfdir=/etc", "--disable-tests"], cwd=source, env=outside_make())
	run(["make", f"-j{os.cpu_count()}"], cwd=source, env=outside_make())
	return source


def outside_make():
	"""What the make around us told its own children is not for another."""
	return {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}


def listing(root):
	"""Every file and directory."""
	found = set()
	for directory, directories, files in os.walk(root):
		for name in directories + files:
			found.add(os.path.relpath(os.path.join(directory, name), root))
	return found


# --- the container -----------------------------------------------------------------------------------------------

class Done:
	def __init__(self, done):
		self.status = done.returncode
		self.out = done.stdout
		self.err = done.stderr

	def __repr__(self):
		return f"exit status {self.status}, out {self.out!r}, err {self.err!r}"


def enter_network(descriptor):
	if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
		raise OSError(ctypes.get_errno(), "setns")


class Machine:
	def __init__(self):
		self.scratch = None
		self.root = None
		self.mounted = False
		self.nspawn = None
		self.leader = None
		self.lock = None
		self.build = None
		self.tools = None		# the build that has programs of the tests
		self.delivered = None		# the configuration that make install brings
		self.suite = None
		self.systemd = None		# its version, a number
		self.outside = os.open("/proc/self/ns/net", os.O_RDONLY)

	def prepare(self, build, suite):
		self.lock = be_alone()
		self.suite = suite
		cache, lower = cached_root(suite)
		self.scratch = tempfile.mkdtemp(prefix="run-", dir=cache)
		self.lay_root(lower)
		self.systemd = int(run(["chroot", self.root, "systemctl", "--version"]).split()[1])
		self.tools = build
		self.build = make_build(build, self.scratch)

	def lay_root(self, lower):
		upper, work, root = (os.path.join(self.scratch, name) for name in ("upper", "work", "root"))
		for directory in (upper, work, root):
			os.mkdir(directory)
		options = f"lowerdir={lower},upperdir={upper},workdir={work}"
		mount = subprocess.run(["mount", "-t", "overlay", "reactord-tests", "-o", options, root],
				       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
		self.mounted = mount.returncode == 0
		if not self.mounted:	# an overlay above another, or no overlayfs
			os.rmdir(root)
			run(["cp", "-a", "--reflink=auto", lower, root])
		self.root = root

	def make(self, *targets):
		# As it is configured where this systemd is.
		dropin = "dropin_DATA=" + ("systemd/10-systemd-253.conf" if self.systemd >= 253 else "")
		return run(["make", "-C", self.build, "DESTDIR=" + self.root, dropin, *targets], env=outside_make())

	def tool(self, name):
		"""The path of a program of the tests, which run on this machine: `make check-system` has built it."""
		path = os.path.join(self.tools, "tests/system", name)
		assert os.path.exists(path), f"{path} is not there: make tests/system/{name}"
		return path

	def boot(self):
		# Newer systemds know but one hierarchy of control groups, and filter packets by BPF.
		self.nspawn = subprocess.Popen(
			["systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "-b", "--private-network",
			 "--system-call-filter=bpf"],
			stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
			env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
		self.leader = eventually("the container has a first process", self.find_leader)
		eventually("systemd in the container is up", self.is_up, 60)
		with open(f"/proc/{self.leader}/ns/net", encoding="ascii") as network:
			enter_network(network.fileno())
		self.see_that_it_runs()

	def see_that_it_runs(self):
		"""It was linked with this machine's libraries."""
		done = self.command("reactord", "--version")
		if self.suite != release() and re.search("error while loading shared libraries|version `.*' not found", done.err):
			raise Unable(f"what is built here does not run on {self.suite}: {done.err.strip()}")

	def reboot(self):
		"""In order, and up again with what is on its disk.  Its network is another one then."""
		self.power_off()
		enter_network(self.outside)
		self.boot()

	def find_leader(self):
		if self.nspawn.poll() is not None:
			raise Unable("systemd-nspawn does not run here: " + self.nspawn.stderr.read().decode(errors="replace"))
		with open(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children", encoding="ascii") as file:
			children = file.read().split()
		# Before it has become systemd, it may not have its namespaces yet.
		for child in children:
			try:
				with open(f"/proc/{child}/comm", encoding="ascii") as file:
					if file.read().strip() == "systemd":
						return int(child)
			except OSError:
				pass
		return None

	def is_up(self):
		if self.nspawn.poll() is not None:
			raise Unable("the container ended while it booted: " + self.nspawn.stderr.read().decode(errors="replace"))
		return self.command("systemctl", "is-system-running").out.strip() in ("running", "degraded")

	def inside(self, arguments):
		return ["nsenter", "-t", str(self.leader), "-a", "--", *arguments]

	def start(self, *arguments):
		"""A command in the container that is not waited for."""
		return subprocess.Popen(self.inside(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
					stderr=subprocess.PIPE, text=True, errors="replace", env=ENVIRONMENT)

	def command(self, *arguments, seconds=90):
		"""A command in the container, whatever its exit status."""
		return Done(subprocess.run(self.inside(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
					   stderr=subprocess.PIPE, text=True, errors="replace", env=ENVIRONMENT,
					   timeout=seconds, check=False))

	def must(self, *arguments):
		"""A command in the container that must succeed."""
		done = self.command(*arguments)
		assert done.status == 0, f"{' '.join(arguments)}: {done}"
		return done.out

	def shell(self, text):
		return self.must("sh", "-ec", text)

	def path(self, path):
		"""As the container's processes see it: /run is mounted in there."""
		return f"/proc/{self.leader}/root{path}"

	def write(self, path, text):
		"""As an editor does: aside, then renamed."""
		name = self.path(path)
		os.makedirs(os.path.dirname(name), exist_ok=True)
		with open(name + ".new", "w", encoding="utf-8") as file:
			file.write(text)
		os.chmod(name + ".new", 0o644)
		os.rename(name + ".new", name)

	def remove(self, path):
		name = self.path(path)
		if os.path.isdir(name):
			shutil.rmtree(name)
		elif os.path.lexists(name):
			os.unlink(name)

	def show(self, unit, key):
		return self.must("systemctl", "show", "--value", "-p", key, unit).strip()

	def cursor(self):
		"""Where the journal ends now."""
		return re.search(r"-- cursor: (.*)", self.must("journalctl", "-n", "0", "--show-cursor")).group(1)

	def journal(self, since, *matches):
		out = self.must("journalctl", "-o", "json", "--all", "--after-cursor=" + since, *matches)
		return [json.loads(line) for line in out.splitlines()]

	def said(self, since, message_id):
		"""The texts of these messages, without those that are on their way.

		Chosen here: journalctl with a match leaves out the first one behind a cursor that is of another message."""
		return [record["MESSAGE"] for record in self.journal(since) if record.get("MESSAGE_ID") == message_id]

	def find_record(self, since, what, **fields):
		"""The first record of reactord behind a place in the journal that has these fields; it may be on its way."""
		def look():
			for record in self.journal(since, "-u", "reactord.service"):
				if all(str(record.get(key)) == str(value) for key, value in fields.items()):
					return record
			return None
		return eventually(f"the journal has {what}", look)

	def close(self):
		enter_network(self.outside)
		if self.nspawn and self.nspawn.poll() is None:
			self.power_off()
		self.nspawn = self.leader = None
		if self.mounted:
			# Lazily, if something holds it for a moment longer.
			if subprocess.run(["umount", self.root], stderr=subprocess.DEVNULL, check=False).returncode != 0:
				subprocess.run(["umount", "-l", self.root], check=False)
			self.mounted = False
		if self.scratch:
			shutil.rmtree(self.scratch, ignore_errors=True)
			self.scratch = None
		if self.lock:
			self.lock.close()
			self.lock = None

	def power_off(self):
		"""In order, else by killing its first process, with which the kernel ends all others."""
		if self.leader:
			try:
				self.command("systemctl", "poweroff", seconds=10)
				self.nspawn.wait(20)
				return
			except subprocess.TimeoutExpired:
				say("the container does not power off: it is killed")
			try:
				os.kill(self.leader, signal.SIGKILL)
				self.nspawn.wait(10)
				return
			except (ProcessLookupError, subprocess.TimeoutExpired):
				pass
		self.nspawn.kill()
		self.nspawn.wait()


if __name__ == "__main__":
	sys.exit("this is a part of tests/system/run")

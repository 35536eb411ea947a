# SPDX-License-Identifier: MIT
"""
Clients: one request, one connection that is kept, and load that goes on beside what is tested.

The answers are read by Python's http.client, which knows nothing of reactord and so cannot share its mistakes.
"""
import http.client
import socket
import threading
import time

PORT = 8000
SECONDS = 15		# for an answer; a daemon that hangs shall not hang us


class Answer:
	def __init__(self, status, body, fields):
		self.status = status
		self.body = body
		self.fields = fields

	def __repr__(self):
		return f"{self.status} {self.body!r}"


class Connection:
	"""One connection; it is never opened again behind our back."""

	def __init__(self, host="127.0.0.1", port=PORT, path=None, source=None):
		self.http = http.client.HTTPConnection("localhost", timeout=SECONDS)
		self.http.auto_open = 0
		if path:
			self.http.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
			self.http.sock.settimeout(SECONDS)
			self.http.sock.connect(path)
		else:
			self.http.sock = socket.create_connection((host, port), SECONDS, (source, 0) if source else None)

	def get(self, target="/"):
		self.http.request("GET", target)
		return self.read()

	def get_slowly(self, seconds):
		"""In two parts: whoever stops or restarts the daemon finds it in the middle of a request."""
		self.send(b"GET / HTTP/1.1\r\nHost: local")
		time.sleep(seconds)
		self.send(b"host\r\n\r\n")
		response = http.client.HTTPResponse(self.http.sock, method="GET")
		response.begin()
		return Answer(response.status, response.read(), response.headers)

	def read(self):
		response = self.http.getresponse()
		return Answer(response.status, response.read(), response.headers)

	def send(self, data):
		self.http.sock.sendall(data)

	def close(self):
		self.http.close()

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.close()


def get(*where, **more):
	with Connection(*where, **more) as connection:
		return connection.get()


def is_refused(host="127.0.0.1", port=PORT):
	try:
		socket.create_connection((host, port), SECONDS).close()
	except ConnectionRefusedError:
		return True
	return False


class Load:
	"""Threads that ask again and again until told to stop.  kept: each on one connection, else on a new one each time;
	slow: seconds that a request takes to arrive.

	What goes wrong is collected, not raised: the check that runs beside says what may."""

	def __init__(self, threads, kept, slow=0):
		self.kept = kept
		self.slow = slow
		self.stopping = threading.Event()
		self.counts = [0] * threads
		self.bodies = [[] for _ in range(threads)]		# as they changed
		self.failures = []
		self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(threads)]
		for thread in self.threads:
			thread.start()

	def run(self, n):
		connection = None
		while not self.stopping.is_set():
			try:
				connection = connection or Connection()
				self.took(n, connection.get_slowly(self.slow) if self.slow else connection.get())
			except (OSError, http.client.HTTPException) as error:
				self.failures.append(error)
				if connection:
					connection.close()
				connection = None
				time.sleep(0.01)	# a port that is gone is refused at once, and again
				continue
			if not self.kept:
				connection.close()
				connection = None
		if connection:
			connection.close()

	def took(self, n, answer):
		self.counts[n] += 1
		if answer.status != 200:
			self.failures.append(answer)
		if not self.bodies[n] or self.bodies[n][-1] != answer.body:
			self.bodies[n].append(answer.body)

	def all_moved_since(self, counts):
		return all(now > before for now, before in zip(self.counts, counts))

	def stop(self):
		self.stopping.set()
		for thread in self.threads:
			thread.join(SECONDS * 2)
		assert not any(thread.is_alive() for thread in self.threads), "a client still waits for its answer"

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.stopping.set()

# SPDX-License-Identifier: MIT
"""Installing and uninstalling."""
import os

from host import CONF, check, m
from machine import listing


said = []


@check("make uninstall leaves nothing of what make install brought, but a configuration that was edited")
def _():
	assert not said, said


def try_uninstall():
	"""On the root directory before it is booted, when nothing else changes it.  Installs, in the end."""
	said.clear()
	before = listing(m.root)
	m.make("install")
	brought = listing(m.root) - before
	for name in ("usr/sbin/reactord", "etc/reactord.conf", "usr/share/man/man8/reactord.8",
		     "usr/lib/systemd/catalog/reactord.catalog"):
		if name not in brought:
			said.append(f"make install did not bring {name}")
	m.make("uninstall")
	left = listing(m.root) - before
	if left:
		said.append(f"make uninstall left {sorted(left)}")
	if before - listing(m.root):
		said.append(f"make uninstall removed what it had not brought: {sorted(before - listing(m.root))}")
	m.make("install")
	conf = os.path.join(m.root, CONF[1:])
	with open(conf, encoding="utf-8") as file:
		text = file.read()
	with open(conf, "a", encoding="utf-8") as file:
		file.write("[response]\nbody = mine\n")
	m.make("install")
	m.make("uninstall")
	left = listing(m.root) - before
	if left != {CONF[1:]}:
		said.append(f"with an edited configuration there is left: {sorted(left)}")
	elif "mine" not in open(conf, encoding="utf-8").read():
		said.append("the edited configuration was overwritten")
	os.unlink(conf)
	m.make("install")
	m.delivered = text

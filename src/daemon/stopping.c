/* SPDX-License-Identifier: MIT */
/*
 * systemd is asked by its own socket, as systemctl does: there need be no bus, and this process is root's, outside of the
 * sandbox (ExecStop=+), but perhaps in the daemon's root directory, which has no /proc for it.
 */
#include "daemon/stopping.h"

#include "core/cleanup.h"
#include "daemon/reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

static int ask(sd_bus *bus, pid_t pid, char **ret_type)
{
	static const char manager[] = "org.freedesktop.systemd1";
	sd_bus_message *reply = NULL;
	const char *path, *job;
	uint32_t id;
	int r;

	r = sd_bus_call_method(bus, manager, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
			       "GetUnitByPID", NULL, &reply, "u", (uint32_t) pid);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0) {
		sd_bus_message *property = NULL;

		r = sd_bus_get_property(bus, manager, path, "org.freedesktop.systemd1.Unit", "Job", NULL, &property, "(uo)");
		if (r >= 0)
			r = sd_bus_message_read(property, "(uo)", &id, &job);
		if (r >= 0 && id != 0)
			r = sd_bus_get_property_string(bus, manager, job, "org.freedesktop.systemd1.Job", "JobType", NULL,
						       ret_type);
		sd_bus_message_unref(property);
	}
	sd_bus_message_unref(reply);
	return r;
}

/* Of the unit that the process belongs to: "stop", "restart"; NULL: it has none. */
static int job_type(pid_t pid, char **ret_type)
{
	sd_bus *bus = NULL;
	int r;

	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = ask(bus, pid, ret_type);
	sd_bus_flush_close_unref(bus);
	return r;
}

int stopping_announce(pid_t pid)
{
	cleanup(free_pointer) char *type = NULL;
	cleanup(close_fd) int process_fd = -1;
	int r;

	if (pid == 0)		/* it ended by itself, and systemd has no $MAINPID for us */
		return 0;
	r = job_type(pid, &type);
	if (r < 0)
		(void) fprintf(stderr, "reactord: taken for a restart: systemd does not say whether it is a stop: %s\n",
			       strerror(-r));
	if (r < 0 || !type || strcmp(type, "stop") != 0)
		return 0;
	return reload_signal(pid, SIGUSR1, true, &process_fd) < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Each step needs those before it; one that fails says why and gives the exit status.  Whatever was made by then is undone
 * where it is undone anyway: by main.c, at the end.
 */
#include "config.h"

#include "daemon/daemon.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/notify.h"
#include "daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

enum {
	OWN_DESCRIPTORS		= 24,		/* the main thread's, and for a moment those of a reload */
	WORKER_DESCRIPTORS	= 5,
	PEER_DESCRIPTORS	= 2,		/* of each worker that is not alone */
	SPARE_DESCRIPTORS	= 40,		/* for libraries, and who started us */
};

/* To the hard limit; the sandbox may forbid it: the unit then sets it. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* Allows only as many connections as there are descriptors for, beside those that must be had.  What is good to have (for
 * those that are answered 503, and to spare) gets up to half of the rest: without it accepting only pauses. */
static int fit_descriptors(struct daemon *d)
{
	uint32_t *max_connections = &d->conf->limits.max_connections;
	unsigned long long good = SPARE_DESCRIPTORS + (unsigned long long) d->n_workers * SERVER_REFUSALS_MAX;
	unsigned long long each = WORKER_DESCRIPTORS + (d->n_workers > 1 ? PEER_DESCRIPTORS : 0);
	unsigned long long must = OWN_DESCRIPTORS + d->n_workers * each;
	unsigned long long wanted, left;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	for (size_t i = 0; i < d->listeners.n; i++)
		must += d->listeners.at[i].n_fds;
	wanted = must + good + *max_connections;
	if (limit.rlim_cur >= wanted)
		return 0;
	if (limit.rlim_cur <= must) {
		log_write(LOG_FEW_DESCRIPTORS, LOG_ERR, "the limit of open files is %llu: %u worker%s need%s %llu, and one for each "
			  "connection; for limits.max_connections = %u there should be %llu (LimitNOFILE= in the unit, or "
			  "ulimit -n)", (unsigned long long) limit.rlim_cur, d->n_workers, d->n_workers == 1 ? "" : "s",
			  d->n_workers == 1 ? "s" : "", must, *max_connections, wanted);
		return EX_OSERR;
	}
	left = limit.rlim_cur - must;
	left -= left / 2 < good ? left / 2 : good;
	if (*max_connections <= left)
		return 0;
	log_write(LOG_LIMIT_LOWERED, LOG_WARNING,
		  "limits.max_connections lowered from %u to %llu: the limit of open files is %llu and should be %llu "
		  "(LimitNOFILE= in the unit, or ulimit -n)",
		  *max_connections, left, (unsigned long long) limit.rlim_cur, wanted);
	*max_connections = (uint32_t) left;
	return 0;
}

/* --- step by step -------------------------------------------------------------------------------------------------- */

/* Who starts it by hand is told what to do next. */
static void say_what_next(const struct listener *listener)
{
	bool is_path = listener->text[0] == '/';

	if (listener->passed || notify_is_heard())
		return;
	log_write(LOG_LISTENING, LOG_NOTICE, "try: curl -i %s%s%s   settings: reactord.conf(5)   stop: Ctrl-C",
		  is_path ? "--unix-socket " : "http://", listener->text, is_path ? " http://localhost/" : "/");
}

int starting_failed(enum log_kind kind, char *why, int status)
{
	log_write(why ? kind : LOG_NO_MEMORY, LOG_ERR, "%s", why ? why : "out of memory");
	free(why);
	return status;
}

static int open_listeners(struct daemon *d)
{
	cleanup(free_pointer) char *differ = NULL;
	char unit[CONF_UNIT_MAX];
	char *why = NULL;

	if (d->listeners.n == 0) {
		if (listeners_bind(&d->listeners, d->conf, d->n_workers, &why) < 0)
			return starting_failed(LOG_CANNOT_LISTEN, why, EX_OSERR);
		return 0;
	}
	differ = listeners_disagree(&d->listeners, d->conf, conf_unit(d->options.source.file, unit));
	if (differ)
		log_write(LOG_LISTEN_DIFFERS, LOG_WARNING, "%s", differ);
	return 0;
}

/* What the file says may be more than can be made of it here (LimitFSIZE=): with a socket of systemd's that is a bad file
 * like any other. */
static int first_snapshot(struct daemon *d, struct snapshot **ret)
{
	uint64_t number = restart_generation(&d->restart) + 1;
	int r = loading_snapshot(ret, &d->switches, number, d, d->conf);

	if ((r != -EFBIG && r != -E2BIG) || !d->listeners.at[0].passed || d->options.strict || d->began_misconfigured)
		return r;
	return loading_fall_back(d, loading_why_not(r)) == 0 ? loading_snapshot(ret, &d->switches, number, d, d->conf) : -ENOMEM;
}

static int start_workers(struct daemon *d)
{
	struct snapshot *snapshot;
	int r;

	d->names = listeners_names(&d->listeners, &d->n_names);
	r = d->names ? first_snapshot(d, &snapshot) : -ENOMEM;
	if (r == 0)
		conf_forget_bodies(d->conf);
	if (r == 0)
		r = workers_start(&d->workers, d->n_workers, d->conf, &d->listeners, (const char *const *) d->names,
				  d->n_names, snapshot);
	if (r == 0) {
		workers_ask(&d->workers);
		r = workers_wait(&d->workers, ADOPT_TIMEOUT_MS) ? 0 : -ETIMEDOUT;
	}
	if (r == 0)
		return 0;
	log_write(LOG_FAILED, LOG_ERR, "cannot start the workers: %s",
		  loading_why_not(r));
	return r == -E2BIG || r == -EFBIG ? EX_CONFIG : EX_OSERR;
}

/* At connections that the process before us did not want to be closed, and at whether it could want anything.  Each is a
 * descriptor from here on, so by now the files are read, and it is known for how many there is room. */
static void look_back(struct daemon *d)
{
	uint32_t connections;
	pid_t pid;
	int r;

	if (alive_was_killed(take_fd(&d->listeners.alive_fd), &pid, &connections))
		log_write(LOG_KILLED, LOG_WARNING, "process %d, which served before, did not end in order: %u connections "
			  "are lost at the most", (int) pid, connections);
	if (d->listeners.handover_fd < 0)
		return;
	r = restart_look(&d->restart, take_fd(&d->listeners.handover_fd));
	if (r < 0)
		log_write(LOG_NOT_TAKEN_OVER, LOG_WARNING, "what the process before has left cannot be taken (%s): its "
			  "connections are closed", strerror(-r));
	restart_limit(&d->restart, d->conf->limits.max_connections);
}

/* systemd is told that we are ready, and what was left is ours alone from then on. */
static void be_ready(struct daemon *d)
{
	size_t left = d->restart.n_connections, taken;
	cleanup(free_pointer) char *why = NULL;

	if (d->restart.fd < 0) {
		notify_ready(daemon_status(d));
		return;
	}
	notify_ready_and_remove(RESTART_NAME, daemon_status(d));
	close_fd(&d->restart.fd);
	taken = restart_take(&d->restart, &d->workers);
	if (taken < left)
		why = restart_why_fewer(&d->restart);
	if (left > 0)
		log_write(taken == left ? LOG_TAKEN_OVER : LOG_NOT_TAKEN_OVER, taken == left ? LOG_INFO : LOG_WARNING,
			  "%zu of %zu connections of the process before go on%s%s", taken, left, why ? ": " : "", why ? why : "");
	restart_deinit(&d->restart);
}

static void begin_watchdog(struct daemon *d)
{
	d->watchdog_ms = notify_watchdog_usec() / 1000;
	d->next_watchdog_ms = d->watchdog_ms ? clock_ms() : 0;
}

int starting(struct daemon *d)
{
	uint64_t began_usec = reload_clock_usec();	/* who asks from now on waits for what is loaded later */
	char *why = NULL;
	int r;

	if (listeners_take_passed(&d->listeners, &why) < 0)
		return starting_failed(LOG_CANNOT_LISTEN, why, EX_OSERR);
	if (d->listeners.inherited) {	/* systemd goes on watching while we load */
		begin_watchdog(d);
		daemon_watch_workers(d);
	}
	r = loading_at_start(d);
	if (r != 0)
		return r;
	log_set_level(d->conf->log_level);
	log_set_access_limit(d->conf->access_limit);
	d->n_workers = workers_wanted(d->conf);
	raise_descriptors();
	r = open_listeners(d);
	if (r != 0)
		return r;
	r = fit_descriptors(d);
	if (r != 0)
		return r;
	look_back(d);
	if (notify_is_heard() && alive_init(&d->alive) == 0)	/* without it nobody is told what becomes of us */
		d->workers.connections = alive_connections(&d->alive);
	r = start_workers(d);
	if (r != 0)
		return r;
	log_add_rings(d->workers.rings, d->workers.n);

	(void) reload_publish(workers_generation(&d->workers), began_usec, true, NULL);
	begin_watchdog(d);
	log_write(LOG_STARTED, LOG_INFO, "version %s, %u worker%s (%s), at most %u connections", PACKAGE_VERSION,
		  d->workers.n, d->workers.n == 1 ? "" : "s",
		  d->conf->executor == CONF_THREADED ? "threaded" : "inline", d->conf->limits.max_connections);
	for (size_t i = 0; i < d->listeners.n; i++) {
		const struct listener *listener = &d->listeners.at[i];
		bool is_usual = strcmp(listener->name, ADDRESS_NAME) == 0;

		log_write(LOG_LISTENING, LOG_INFO, "listening on %s%s%s%s", listener->text, is_usual ? "" : " name=",
			  is_usual ? "" : listener->name, listener->passed ? " (from systemd)" : "");
	}
	say_what_next(&d->listeners.at[0]);
	daemon_watch_use(d);
	if (!notify_is_heard())		/* nobody is told, so nobody looks */
		d->status.next_ms = UINT64_MAX;
	be_ready(d);
	alive_store(&d->alive);
	return 0;
}

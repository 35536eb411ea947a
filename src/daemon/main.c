/* SPDX-License-Identifier: MIT */
/*
 * The main thread: options, configuration, listeners, workers; then it waits for signals and for what the workers say,
 * and unwinds.  It owns everything that is not a connection, and serves nobody.
 *
 * It waits in ppoll(2) for two descriptors, a signalfd and the workers' eventfd; a reactor of its own would be more
 * machinery than the two lines it saves.
 */
#include "config.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/alive.h"
#include "daemon/conf.h"
#include "daemon/idle.h"
#include "daemon/listeners.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/reload.h"
#include "daemon/restart.h"
#include "daemon/status.h"
#include "daemon/stopping.h"
#include "daemon/switches.h"
#include "daemon/workers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>

enum {
	ADOPT_TIMEOUT_MS	= 5000,		/* for every worker to take a new configuration */
	DRAIN_LOOK_MS		= 1000,
	DRAIN_EXTEND_MS		= 5000,		/* that systemd waits from the last progress on, whatever TimeoutStopSec= says */
	LEAVE_TIMEOUT_MS	= 5000,		/* for every worker to end */
	OWN_DESCRIPTORS		= 24,		/* the main thread's, and for a moment those of a reload */
	WORKER_DESCRIPTORS	= 4,
	SPARE_DESCRIPTORS	= 40,		/* for libraries, and who started us */
	LISTENERS_TEXT_MAX	= 512,
};

/* Of a drain: another value of any of these is progress. */
struct progress {
	uint64_t moved_ms, requests;
	uint32_t connections;
};

struct daemon {
	char path[PATH_MAX];			/* of the program, as it was when it was started; "": not known */
	char **argv;				/* borrowed */
	struct options options;
	struct conf *started;			/* owned: what it was started with; its server.* and its room for
						 * connections stay as they are */
	struct conf *conf;			/* owned: in force; may be the one that it was started with */
	bool began_misconfigured;		/* that one is the built-in 503: the file was bad at the start */
	unsigned n_workers;
	struct listeners listeners;
	char **names;				/* owned: of the listeners, also when those are closed */
	size_t n_names;
	struct workers workers;
	struct restart restart;			/* what the process before us has left, until it is taken */
	struct alive alive;			/* what the process after us finds if we are killed */
	struct switches *switches;		/* owned: of the snapshot in force */
	int signal_fd;				/* owned */
	bool draining, leaving;
	bool restart_announced;			/* by SIGUSR1: the next SIGTERM is no end */
	uint64_t drain_until_ms, next_drain_ms;
	struct progress drained;		/* so far */
	uint64_t watchdog_ms, next_watchdog_ms;	/* 0: there is no watchdog */
	struct status status;
	struct idle idle;
};

/* --- configuration ----------------------------------------------------------------------------------------------- */

static void log_errors(const struct conf_errors *errors, int priority)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		if (text)
			log_config_error(priority, errors->at[i].file, errors->at[i].line, text);
	}
}

static void print_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		if (text)
			(void) fprintf(stderr, "%s\n", text);
	}
}

static void swap_listen(struct conf *a, struct conf *b)
{
	struct conf kept = *a;

	a->listen = b->listen;
	a->n_listen = b->n_listen;
	a->listen_is_set = b->listen_is_set;
	b->listen = kept.listen;
	b->n_listen = kept.n_listen;
	b->listen_is_set = kept.listen_is_set;
}

/* A bad file at the start, and systemd holds the port: exiting would make it give up the port for good.  So the
 * built-in settings serve, and every answer says that something is wrong. */
static int load_misconfigured(struct conf **ret, const struct conf_source *source)
{
	static const struct http_field retry[] = { { { "Retry-After", 11 }, { "10", 2 } } };
	struct conf_errors errors = { 0 };
	struct conf *wanted = NULL;
	int r = conf_defaults(ret);

	if (r < 0)
		return r;
	/* systemd listens where the file says, if that much of it is right. */
	if (conf_load_listen(&wanted, source, &errors) == 0)
		swap_listen(*ret, wanted);
	conf_errors_clear(&errors);
	conf_free(wanted);
	conf_answer_only(*ret, &(struct http_answer) {
		.status = 503,
		.content_type = SLICE("text/plain"),
		.fields = retry,
		.n_fields = 1,
		.body = SLICE("503 Service Unavailable: this server is misconfigured; its log says how.\n"),
	});
	return 0;
}

/* And what turns its routes on and off. */
static int make_snapshot(struct snapshot **ret, struct switches **ret_switches, uint64_t number,
			 const struct daemon *d, const struct conf *conf)
{
	struct route_settings settings;
	int r;

	r = conf_routes(conf, (const char *const *) d->names, d->n_names, &settings);
	if (r < 0)
		return r;
	r = snapshot_new(ret, number, &conf->limits, &settings, conf->n_switches);
	conf_routes_free(&settings);
	if (r < 0)
		return r;
	(*ret)->access = conf->access;
	(*ret)->access_sample = conf->access_sample;
	r = switches_new(ret_switches, conf->switches, conf->n_switches, (*ret)->on);
	if (r < 0)
		*ret = snapshot_free(*ret);
	for (size_t i = 0; r == 0 && i < conf->n_switches; i++)
		if (atomic_load(&(*ret)->on[i]))
			log_write(LOG_SWITCH, LOG_NOTICE, "%s is there: what it enables is on", conf->switches[i]);
	return r;
}

/* What only making the snapshot finds out. */
static const char *why_not(int error)
{
	return error == -EFBIG ? "all bodies and heads together are over 1 GiB" : strerror(-error);
}

/* Without memory for it the error goes without its text. */
static void add_error(struct conf_errors *errors, const char *file, const char *message)
{
	errors->at = calloc(1, sizeof *errors->at);
	if (!errors->at)
		return;
	errors->at->file = strdup(file);
	errors->at->message = strdup(message);
	errors->n = 1;
}

/* --- what is said ------------------------------------------------------------------------------------------------ */

/* "127.0.0.1:8000, [::1]:8000" */
static void listeners_text(const struct listeners *listeners, char *to, size_t capacity)
{
	size_t length = 0;

	to[0] = '\0';
	for (size_t i = 0; i < listeners->n && length < capacity; i++)
		length += (size_t) snprintf(to + length, capacity - length, "%s%s", i > 0 ? ", " : "",
					    listeners->at[i].text);
}

static bool serves_misconfigured(const struct daemon *d)
{
	return d->began_misconfigured && d->conf == d->started;
}

static struct status_facts status_facts(struct daemon *d, char where[LISTENERS_TEXT_MAX])
{
	listeners_text(&d->listeners, where, LISTENERS_TEXT_MAX);
	return (struct status_facts) {
		.listeners = where,
		.misconfigured = serves_misconfigured(d),
		.connections = workers_connections(&d->workers),
		.requests = workers_requests(&d->workers),
		.generation = workers_generation(&d->workers),
	};
}

static const char *serving_status(struct daemon *d)
{
	char where[LISTENERS_TEXT_MAX];
	struct status_facts facts = status_facts(d, where);

	return status_text(&d->status, &facts, clock_ms());
}

static void look_at_status(struct daemon *d)
{
	char where[LISTENERS_TEXT_MAX];
	struct status_facts facts = status_facts(d, where);

	if (status_look(&d->status, &facts, clock_ms()))
		notify_status(d->status.text);
}

/* Who starts it by hand is told what to do next. */
static void say_what_next(const struct listener *listener)
{
	bool is_path = listener->text[0] == '/';

	if (listener->passed || notify_is_heard())
		return;
	log_write(LOG_LISTENING, LOG_NOTICE, "try: curl -i %s%s%s   settings: reactord.conf(5)   stop: Ctrl-C",
		  is_path ? "--unix-socket " : "http://", listener->text, is_path ? " http://localhost/" : "/");
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

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
	unsigned long long must = OWN_DESCRIPTORS + (unsigned long long) d->n_workers * WORKER_DESCRIPTORS;
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

/* --- starting ---------------------------------------------------------------------------------------------------- */

static int fail_start(enum log_kind kind, char *why, int status)
{
	log_write(why ? kind : LOG_NO_MEMORY, LOG_ERR, "%s", why ? why : "out of memory");
	free(why);
	return status;
}

static int load_at_start(struct daemon *d)
{
	struct conf_errors errors = { 0 };
	bool passed = d->listeners.n > 0;
	int r;

	r = conf_load(&d->started, &d->options.source, &errors);
	if (r == 0) {
		listeners_judge_names(&d->listeners, d->started, &errors);
		if (errors.n > 0) {
			d->started = conf_free(d->started);
			r = -EINVAL;
		}
	}
	d->conf = d->started;
	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		log_write(LOG_NO_MEMORY, LOG_ERR, "out of memory while reading the configuration");
	log_errors(&errors, LOG_ERR);
	conf_errors_clear(&errors);
	if (!passed || d->options.strict)
		return EX_CONFIG;
	log_write(LOG_MISCONFIGURED, LOG_ERR,
		  "the configuration is bad: every request is answered 503 until it is mended and reloaded");
	d->began_misconfigured = true;
	if (load_misconfigured(&d->started, &d->options.source) < 0)
		return EX_OSERR;
	d->conf = d->started;
	return 0;
}

static int open_listeners(struct daemon *d)
{
	cleanup(free_pointer) char *differ = NULL;
	char unit[CONF_UNIT_MAX];
	char *why = NULL;

	if (d->listeners.n == 0) {
		if (listeners_bind(&d->listeners, d->conf, d->n_workers, &why) < 0)
			return fail_start(LOG_CANNOT_LISTEN, why, EX_OSERR);
		return 0;
	}
	listeners_set_backlog(&d->listeners, d->conf->backlog);
	differ = listeners_disagree(&d->listeners, d->conf, conf_unit(d->options.source.file, unit));
	if (differ)
		log_write(LOG_LISTEN_DIFFERS, LOG_WARNING, "%s", differ);
	return 0;
}

/* Signals are taken from a descriptor, by this thread alone; a client that goes away must not kill us.  First of all: one
 * that comes while it starts waits until it runs.  A start reads files and waits for nobody but its own threads. */
static int take_signals(void)
{
	sigset_t taken;
	int fd;

	(void) signal(SIGPIPE, SIG_IGN);
	(void) sigemptyset(&taken);
	(void) sigaddset(&taken, SIGTERM);
	(void) sigaddset(&taken, SIGINT);
	(void) sigaddset(&taken, SIGHUP);
	(void) sigaddset(&taken, SIGUSR1);
	(void) sigaddset(&taken, SIGUSR2);
	(void) sigprocmask(SIG_BLOCK, &taken, NULL);
	fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int start_workers(struct daemon *d)
{
	struct snapshot *snapshot;
	int r;

	d->names = listeners_names(&d->listeners, &d->n_names);
	r = d->names ? make_snapshot(&snapshot, &d->switches, restart_generation(&d->restart) + 1, d, d->conf) : -ENOMEM;
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
		  why_not(r));
	return r == -E2BIG || r == -EFBIG ? EX_CONFIG : EX_OSERR;
}

/* At connections that the process before us did not want to be closed, and at whether it could want anything. */
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
}

/* systemd is told that we are ready, and what was left is ours alone from then on. */
static void be_ready(struct daemon *d)
{
	size_t left = d->restart.n_connections, taken;
	cleanup(free_pointer) char *why = NULL;

	if (d->restart.fd < 0) {
		notify_ready(serving_status(d));
		return;
	}
	notify_ready_and_remove(RESTART_NAME, serving_status(d));
	close_fd(&d->restart.fd);
	taken = restart_take(&d->restart, &d->workers);
	if (taken < left)
		why = restart_why_fewer(&d->restart);
	if (left > 0)
		log_write(taken == left ? LOG_TAKEN_OVER : LOG_NOT_TAKEN_OVER, taken == left ? LOG_INFO : LOG_WARNING,
			  "%zu of %zu connections of the process before go on%s%s", taken, left, why ? ": " : "", why ? why : "");
	restart_deinit(&d->restart);
}

/* A listener of our own would be closed with us, and nobody start us again. */
static void begin_idling(struct daemon *d)
{
	uint32_t exit_ms = d->conf->idle_exit_ms;

	for (size_t i = 0; i < d->listeners.n && exit_ms > 0; i++) {
		if (d->listeners.at[i].passed)
			continue;
		log_write(LOG_NO_IDLE, LOG_WARNING, "server.idle_exit is not in force: systemd did not open the sockets, so no "
			  "client could start reactord again");
		exit_ms = 0;
	}
	idle_begin(&d->idle, exit_ms, workers_requests(&d->workers), clock_ms());
}

static int start(struct daemon *d)
{
	uint64_t began_usec = reload_clock_usec();	/* who asks from now on waits for what is loaded later */
	char *why = NULL;
	int r;

	if (listeners_take_passed(&d->listeners, &why) < 0)
		return fail_start(LOG_CANNOT_LISTEN, why, EX_OSERR);
	look_back(d);
	r = load_at_start(d);
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
	if (notify_is_heard() && alive_init(&d->alive) == 0)	/* without it nobody is told what becomes of us */
		d->workers.connections = alive_connections(&d->alive);
	r = start_workers(d);
	if (r != 0)
		return r;
	log_add_rings(d->workers.rings, d->workers.n);

	(void) reload_publish(workers_generation(&d->workers), began_usec, true, NULL);
	d->watchdog_ms = notify_watchdog_usec() / 1000;
	d->next_watchdog_ms = d->watchdog_ms ? clock_ms() : 0;
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
	begin_idling(d);
	if (!notify_is_heard())		/* nobody is told, so nobody looks */
		d->status.next_ms = UINT64_MAX;
	be_ready(d);
	alive_store(&d->alive);
	return 0;
}

/* --- reloading --------------------------------------------------------------------------------------------------- */

/* server.* cannot change while it runs, and what would change it is refused.  Only the built-in 503 of a bad start is
 * nobody's wish: the first good file is taken although its server.* has to wait, and is what later ones may not
 * differ from.  ret_told: errors of one that is refused; of a good one what has to wait, each time until the restart. */
static int load_again(struct daemon *d, struct conf **ret, struct conf_errors *ret_told)
{
	const char *file = d->options.source.file;
	int r = conf_load(ret, &d->options.source, ret_told);

	if (r < 0)
		return r;
	listeners_judge_names(&d->listeners, *ret, ret_told);
	if (!serves_misconfigured(d))
		(void) conf_needs_restart(d->conf, *ret, file, ret_told);
	if (ret_told->n > 0) {
		*ret = conf_free(*ret);
		return -EINVAL;
	}
	if (!serves_misconfigured(d))
		(*ret)->max_connections_at_start = d->conf->max_connections_at_start;
	(void) conf_needs_restart(d->started, *ret, file, ret_told);
	return 0;
}

static int put_in_force(struct daemon *d, struct conf *conf)
{
	uint64_t number = workers_generation(&d->workers) + 1;
	struct switches *switches = NULL;
	struct snapshot *snapshot;
	int r;

	if (conf->limits.max_connections > d->started->limits.max_connections)
		conf->limits.max_connections = d->started->limits.max_connections;
	r = make_snapshot(&snapshot, &switches, number, d, conf);
	if (r == 0)
		r = workers_take_snapshot(&d->workers, snapshot);
	if (r < 0) {
		switches_free(switches);
		return r;
	}
	switches_free(d->switches);
	d->switches = switches;
	if (!workers_wait(&d->workers, ADOPT_TIMEOUT_MS))
		log_write(LOG_WORKER_STUCK, LOG_WARNING, "worker %d has not taken the new configuration yet",
			  workers_unanswered(&d->workers));
	if (d->conf != d->started)
		conf_free(d->conf);
	d->conf = conf;
	log_set_level(conf->log_level);
	log_set_access_limit(conf->access_limit);
	return 0;
}

static void loaded(struct daemon *d, const struct conf_errors *warnings)
{
	cleanup(free_pointer) char *first = warnings->n > 0 ? conf_error_text(&warnings->at[0]) : NULL;

	log_errors(warnings, LOG_WARNING);
	log_write(LOG_CONFIG_LOADED, LOG_INFO, "configuration %llu is in force%s",
		  (unsigned long long) workers_generation(&d->workers),
		  warnings->n > 0 ? ", except for what needs a restart" : "");
	status_note(&d->status, false, first);
	begin_idling(d);
}

static void refused(struct daemon *d, const struct conf_errors *errors)
{
	cleanup(free_pointer) char *first = errors->n > 0 ? conf_error_text(&errors->at[0]) : NULL;

	log_errors(errors, LOG_ERR);
	log_write(LOG_CONFIG_REFUSED, LOG_ERR, "the new configuration is refused, %zu error%s; configuration %llu stays",
		  errors->n, errors->n == 1 ? "" : "s", (unsigned long long) workers_generation(&d->workers));
	status_note(&d->status, true, first ? first : "out of memory");
}

/* systemd hears of no reload then: STOPPING=1 was the last word.  Who asked waits for the verdict all the same. */
static void refuse_reload(struct daemon *d)
{
	struct conf_errors told = { 0 };

	log_write(LOG_CONFIG_REFUSED, LOG_WARNING, "no reload while stopping");
	add_error(&told, d->options.source.file, "not read: the daemon is stopping");
	(void) reload_publish(workers_generation(&d->workers), reload_clock_usec(), false, &told);
	conf_errors_clear(&told);
}

static void reload(struct daemon *d)
{
	uint64_t began_usec = reload_clock_usec();
	struct conf_errors told = { 0 };
	struct conf *conf = NULL;
	int r;

	notify_reloading();
	r = load_again(d, &conf, &told);
	if (r == 0) {
		r = put_in_force(d, conf);
		if (r < 0)	/* what is told then is this alone */
			conf_errors_clear(&told);
	}
	if (r < 0 && told.n == 0)
		add_error(&told, d->options.source.file, why_not(r));
	if (r < 0) {
		conf_free(conf);
		refused(d, &told);
	} else {
		loaded(d, &told);
	}
	notify_ready(serving_status(d));	/* also after a failure: systemd waits for it */
	r = reload_publish(workers_generation(&d->workers), began_usec, r == 0, &told);
	if (r < 0)
		log_write(LOG_NO_VERDICT, LOG_WARNING, "cannot write the reload's verdict: %s", strerror(-r));
	conf_errors_clear(&told);
}

/* --- stopping ---------------------------------------------------------------------------------------------------- */

/* Nothing is unwound: what is ours is in systemd's hands, and to close it here would be seen by nobody but us. */
static _Noreturn void leave_to_next(int connections)
{
	log_write(LOG_HANDED_OVER, LOG_INFO, "%d connections are left to the next process", connections);
	log_stop();
	_exit(0);
}

/* A stop that is part of a restart.  Whoever sends SIGTERM does not say which it is, so the unit does beforehand. */
static void try_hand_over(struct daemon *d)
{
	cleanup(free_pointer) char *why = NULL;
	int r;

	if (!d->restart_announced)
		return;
	notify_stopping("handing connections over");
	r = restart_give(&d->workers, &why);
	if (r >= 0) {
		alive_ends(&d->alive, true);
		leave_to_next(r);
	}
	log_write(LOG_NOT_HANDED_OVER, LOG_WARNING, "connections cannot be left to the next process: %s",
		  why ? why : strerror(-r));
}

static void tell_drain(struct daemon *d, void (*notify)(const char *status), uint64_t now_ms)
{
	uint64_t left_ms = d->drain_until_ms > now_ms ? d->drain_until_ms - now_ms : 0;
	char status[128];

	(void) snprintf(status, sizeof status, "draining: %u left, %llu s", workers_connections(&d->workers),
			(unsigned long long) (left_ms + 999) / 1000);
	notify(status);
}

/* Whether a connection ended, a request was answered, or a body or an answer went on since the last look. */
static bool drain_progresses(struct daemon *d)
{
	const struct progress before = d->drained;

	d->drained = (struct progress) {
		workers_moved_ms(&d->workers), workers_requests(&d->workers), workers_connections(&d->workers),
	};
	return d->drained.moved_ms != before.moved_ms || d->drained.requests != before.requests ||
	       d->drained.connections != before.connections;
}

static void begin_drain(struct daemon *d, const char *why)
{
	uint64_t now_ms = clock_ms();

	if (d->draining) {	/* asked twice: whoever asks does not want to wait */
		d->leaving = true;
		return;
	}
	d->draining = true;
	d->drain_until_ms = now_ms + d->conf->drain_timeout_ms;
	d->next_drain_ms = now_ms + DRAIN_LOOK_MS;
	tell_drain(d, notify_stopping, now_ms);
	(void) drain_progresses(d);
	notify_extend_timeout(DRAIN_EXTEND_MS * 1000ull);
	log_write(LOG_STOPPING, LOG_INFO, "%s: stopping, %u connections, waiting %u ms at the most", why,
		  workers_connections(&d->workers), d->conf->drain_timeout_ms);
	workers_drain(&d->workers);
	/* Who comes now is told at once that nobody listens; a socket of systemd's stays open, for the next of us. */
	if (workers_wait(&d->workers, ADOPT_TIMEOUT_MS))
		listeners_close(&d->listeners);
}

/* Into what is at our path now, which may be another than we are. */
static void upgrade(struct daemon *d)
{
	cleanup(free_pointer) char *why = NULL;

	log_write(LOG_HANDED_OVER, LOG_INFO, "SIGUSR2: %s is run in place of this process, with %u connections", d->path,
		  workers_connections(&d->workers));
	notify_reloading();
	log_stop();			/* its thread would end with the program, and what it has not written yet */
	alive_ends(&d->alive, true);
	(void) restart_upgrade(&d->workers, &d->listeners, d->path, d->argv, &why);
	alive_ends(&d->alive, false);
	if (log_start() == 0)		/* else lines are written at once */
		log_add_rings(d->workers.rings, d->workers.n);
	log_write(LOG_NOT_UPGRADED, LOG_ERR, "no upgrade, and all is as before: %s", why ? why : "out of memory");
	notify_ready(serving_status(d));
}

static void stop(struct daemon *d, uint32_t signal)
{
	if (signal == SIGTERM && !d->draining)
		try_hand_over(d);
	begin_drain(d, signal == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void go_on_draining(struct daemon *d)
{
	uint64_t now_ms = clock_ms();
	uint32_t left = workers_connections(&d->workers);

	if (workers_unanswered(&d->workers) < 0 && left == 0) {
		d->leaving = true;
	} else if (now_ms >= d->drain_until_ms) {
		log_write(LOG_CUT_OFF, LOG_WARNING, "%u connections are closed in the middle of a request", left);
		d->leaving = true;
	} else if (now_ms >= d->next_drain_ms) {
		tell_drain(d, notify_status, now_ms);
		if (drain_progresses(d))
			notify_extend_timeout(DRAIN_EXTEND_MS * 1000ull);
		d->next_drain_ms = now_ms + DRAIN_LOOK_MS;
		workers_ask(&d->workers);
	}
}

/* The socket stays systemd's: the next client starts us again, also one that comes while we end. */
static void leave_if_unused(struct daemon *d)
{
	if (!idle_look(&d->idle, d->conf->idle_exit_ms, workers_connections(&d->workers), workers_requests(&d->workers),
		       clock_ms()))
		return;
	log_write(LOG_IDLE, LOG_INFO, "unused for server.idle_exit: ends, and the next client starts it again");
	begin_drain(d, "idle");
}

/* --- running ----------------------------------------------------------------------------------------------------- */

static void take_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (!d->leaving && read(d->signal_fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP && d->draining)
			refuse_reload(d);
		else if (info.ssi_signo == SIGHUP)
			reload(d);
		else if (info.ssi_signo == SIGUSR1)
			d->restart_announced = true;
		else if (info.ssi_signo == SIGUSR2 && !d->draining)
			upgrade(d);
		else if (info.ssi_signo == SIGUSR2)
			log_write(LOG_NOT_UPGRADED, LOG_WARNING, "no upgrade while stopping");
		else
			stop(d, info.ssi_signo);
	}
}

/* systemd is told that we live only when every worker answered what it was asked last time. */
static void watch(struct daemon *d)
{
	int stuck;

	if (d->next_watchdog_ms == 0 || clock_ms() < d->next_watchdog_ms)
		return;
	d->next_watchdog_ms = clock_ms() + d->watchdog_ms;
	stuck = workers_unanswered(&d->workers);
	if (stuck >= 0) {
		log_write(LOG_WORKER_STUCK, LOG_ERR, "worker %d does not answer: the watchdog is not fed", stuck);
		return;
	}
	notify_watchdog();
	workers_ask(&d->workers);
}

static void tell_switch(void *arg, const char *file, bool on, int error)
{
	(void) arg;
	if (error < 0)
		log_write(LOG_SWITCH_UNSEEN, LOG_WARNING, "enable_if_exists: cannot see whether %s is there: %s; it counts as not "
			  "there", file, strerror(-error));
	else
		log_write(LOG_SWITCH, LOG_NOTICE, "%s %s: what it enables is %s", file, on ? "is there" : "is gone",
			  on ? "on" : "off");
}

static int next_timeout_ms(const struct daemon *d)
{
	const uint64_t due_ms[] = {
		d->next_watchdog_ms ? d->next_watchdog_ms : UINT64_MAX,
		switches_next_ms(d->switches),
		d->draining ? d->next_drain_ms : d->status.next_ms,
		d->draining ? d->drain_until_ms : d->idle.next_ms,
	};
	uint64_t now_ms = clock_ms(), next_ms = UINT64_MAX;

	for (size_t i = 0; i < sizeof due_ms / sizeof *due_ms; i++)
		if (due_ms[i] < next_ms)
			next_ms = due_ms[i];
	if (next_ms == UINT64_MAX)
		return -1;
	return next_ms > now_ms ? (int) (next_ms - now_ms) : 0;
}

static _Noreturn void leave_at_once(void)
{
	log_stop();
	notify_barrier();
	_exit(EX_SOFTWARE);
}

/* A thread that does not come back cannot be joined, and what it uses cannot be freed. */
static _Noreturn void leave_stuck(struct daemon *d)
{
	log_write(LOG_WORKER_STUCK, LOG_ERR, "worker %d does not answer: it is left behind", workers_unanswered(&d->workers));
	leave_at_once();
}

/* Nobody serves its connections any more, or its share of the new ones: the next of us does. */
static void leave_if_failed(struct daemon *d)
{
	int worker = workers_failed(&d->workers);

	if (worker < 0)
		return;
	log_write(LOG_WORKER_ENDED, LOG_ERR, "worker %d ended: %s", worker, strerror(-server_join(d->workers.at[worker])));
	leave_at_once();
}

static void run(struct daemon *d)
{
	while (!d->leaving) {
		struct pollfd waits[] = {
			{ .fd = d->signal_fd, .events = POLLIN },
			{ .fd = d->workers.answer_fd, .events = POLLIN },
			{ .fd = switches_fd(d->switches), .events = POLLIN },
		};

		if (poll(waits, 3, next_timeout_ms(d)) < 0 && errno != EINTR)
			return;
		if (waits[2].revents || clock_ms() >= switches_next_ms(d->switches))
			switches_look(d->switches, clock_ms(), tell_switch, NULL);
		if (waits[1].revents)
			workers_heard(&d->workers);
		if (waits[0].revents)
			take_signal(d);
		leave_if_failed(d);
		watch(d);
		if (d->draining) {
			go_on_draining(d);
			continue;
		}
		if (clock_ms() >= d->status.next_ms)
			look_at_status(d);
		if (clock_ms() >= d->idle.next_ms)
			leave_if_unused(d);
	}
}

static int serve(struct daemon *d)
{
	uint64_t requests;
	int status;

	d->signal_fd = -1;
	d->workers.answer_fd = -1;
	d->restart.fd = d->alive.fd = -1;
	(void) log_open();
	d->signal_fd = take_signals();
	(void) pthread_setname_np(pthread_self(), RELOAD_NAME);	/* whatever the program's file is called */
	if (d->signal_fd < 0 || log_start() < 0)	/* before anything is said: a bad start must not wait for journald */
		status = fail_start(LOG_FAILED, strdup("cannot take signals or start the log's thread"), EX_OSERR);
	else
		status = start(d);
	if (status == 0) {
		run(d);
		requests = workers_requests(&d->workers);
		log_write(LOG_STOPPED, LOG_INFO, "stopped after %llu requests", (unsigned long long) requests);
	}
	if (status == 0 && !workers_leave(&d->workers, LEAVE_TIMEOUT_MS))
		leave_stuck(d);
	workers_stop(&d->workers);
	log_stop();			/* nobody reports any more */
	switches_free(d->switches);
	alive_ends(&d->alive, true);
	workers_deinit(&d->workers);
	alive_deinit(&d->alive);
	restart_deinit(&d->restart);
	listeners_close(&d->listeners);
	while (d->n_names > 0)
		free(d->names[--d->n_names]);
	free_pointer(&d->names);
	close_fd(&d->signal_fd);
	if (d->conf != d->started)
		conf_free(d->conf);
	d->started = d->conf = conf_free(d->started);
	notify_barrier();
	return status;
}

/* --- the other tasks --------------------------------------------------------------------------------------------- */

static int check(const struct options *options, bool dump)
{
	const char *file = options->source.file;
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;
	int status = 0;
	int r;

	r = conf_load(&conf, &options->source, &errors);
	/* Which names systemd passes is known to systemd. */
	if (r == 0 && conf_names_listeners(conf))
		conf_judge_own_names(conf, &errors);
	if (r < 0 || errors.n > 0) {
		print_errors(&errors);
		if (r == -ENOMEM)
			(void) fputs("reactord: out of memory\n", stderr);
		status = r == -ENOMEM ? EX_OSERR : EX_CONFIG;
	} else if (dump) {
		conf_dump(conf, stdout);
	} else {
		(void) printf("%s: good%s\n", file,
			      access(file, F_OK) == 0 ? "" : " (there is no such file; the built-in defaults are in force)");
	}
	conf_errors_clear(&errors);
	conf_free(conf);
	return status;
}

/* What was printed and is not there, on a full disk say, is a failure of whatever printed it. */
static int finish_output(int status)
{
	bool failed = ferror(stdout);	/* some of it was lost before, and errno with it */

	errno = EIO;
	if (fflush(stdout) == 0 && !failed)
		return status;
	perror("reactord: standard output");
	return status == 0 ? EX_OSERR : status;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .argv = argv };
	int status = EX_USAGE;

	/* By its path: /proc/self/exe itself will be the old file after it was replaced. */
	if (readlink("/proc/self/exe", daemon.path, sizeof daemon.path - 1) < 0)
		daemon.path[0] = '\0';

	if (options_parse(&daemon.options, argc, argv) < 0)
		goto out;
	switch (daemon.options.task) {
	case OPTIONS_SERVE:
		status = serve(&daemon);
		break;
	case OPTIONS_CHECK:
	case OPTIONS_DUMP:
		status = check(&daemon.options, daemon.options.task == OPTIONS_DUMP);
		break;
	case OPTIONS_RELOAD:
		status = reload_request(daemon.options.pid);
		break;
	case OPTIONS_STOPPING:
		status = stopping_announce(daemon.options.pid);
		break;
	case OPTIONS_VERSION:
		(void) printf("reactord %s\n", PACKAGE_VERSION);
		status = 0;
		break;
	case OPTIONS_HELP:
		options_help(stdout);
		status = 0;
		break;
	}
out:
	options_deinit(&daemon.options);
	return finish_output(status);
}

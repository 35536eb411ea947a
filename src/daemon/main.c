/* SPDX-License-Identifier: MIT */
/*
 * The main thread: it waits for signals and for what the workers say, and unwinds.  It owns everything that is not a
 * connection, and serves nobody.
 *
 * It waits in poll(2) for a few descriptors, a signalfd and the workers' eventfd among them; a reactor of its own would be
 * more machinery than the lines it saves.
 */
#include "config.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/daemon.h"
#include "daemon/memory.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/stopping.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>

enum { LEAVE_TIMEOUT_MS = 5000 };		/* for every worker to end */

/* --- signals and time --------------------------------------------------------------------------------------------- */

/* Signals are taken from a descriptor, by this thread alone; a client that goes away must not kill us.  First of all: one
 * that comes while it starts waits until it runs.  A start reads files and waits for nobody but its own threads. */
static int take_signals(void)
{
	sigset_t taken;
	int fd;

	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGXFSZ, SIG_IGN);	/* a file that may not be so large: EFBIG says it as well */
	(void) sigemptyset(&taken);
	(void) sigaddset(&taken, SIGTERM);
	(void) sigaddset(&taken, SIGINT);
	(void) sigaddset(&taken, SIGHUP);
	(void) sigaddset(&taken, SIGUSR1);
	(void) sigaddset(&taken, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void take_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (!d->leaving && read(d->signal_fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP && d->draining)
			loading_refused(d);
		else if (info.ssi_signo == SIGHUP)
			loading_again(d);
		else if (info.ssi_signo == SIGUSR1)
			d->stop_announced = true;
		else if (info.ssi_signo == SIGUSR2 && !d->draining)
			ending_in_another(d);
		else if (info.ssi_signo == SIGUSR2)
			log_write(LOG_NOT_UPGRADED, LOG_WARNING, "no upgrade while stopping");
		else
			ending_by(d, info.ssi_signo);
	}
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

/* Returns an exit status. */
static int run(struct daemon *d)
{
	while (!d->leaving) {
		struct pollfd waits[] = {
			{ .fd = d->signal_fd, .events = POLLIN },
			{ .fd = d->workers.answer_fd, .events = POLLIN },
			{ .fd = switches_fd(d->switches), .events = POLLIN },
		};

		if (poll(waits, 3, next_timeout_ms(d)) < 0 && errno != EINTR) {
			log_write(LOG_FAILED, LOG_ERR, "cannot wait for signals and workers: %s", strerror(errno));
			return EX_OSERR;
		}
		if (waits[2].revents || clock_ms() >= switches_next_ms(d->switches))
			switches_look(d->switches, clock_ms(), tell_switch, NULL);
		if (waits[1].revents)
			workers_heard(&d->workers);
		if (waits[0].revents)
			take_signal(d);
		leave_if_failed(d);
		daemon_watch_workers(d);
		if (d->draining) {
			ending_go_on(d);
			continue;
		}
		if (clock_ms() >= d->status.next_ms)
			daemon_look_at_status(d);
		if (clock_ms() >= d->idle.next_ms)
			ending_unused(d);
	}
	return 0;
}

static int serve(struct daemon *d)
{
	uint64_t requests;
	char *why = NULL;
	bool started;
	int status, r;

	d->signal_fd = -1;
	d->workers.answer_fd = -1;
	d->restart.fd = d->alive.fd = -1;
	tzset();			/* else the first gmtime_r(3) does, and reads files while a client waits */
	(void) log_open();
	d->signal_fd = take_signals();
	(void) pthread_setname_np(pthread_self(), RELOAD_NAME);	/* whatever the program's file is called */
	r = d->signal_fd < 0 ? d->signal_fd : log_start();	/* before anything is said: a bad start must not wait for journald */
	if (r < 0 && asprintf(&why, "cannot take signals or start the log's thread: %s", strerror(-r)) < 0)
		why = NULL;
	if (r < 0)
		status = starting_failed(LOG_FAILED, why, EX_OSERR);
	else
		status = starting(d);
	started = status == 0;
	if (started) {
		status = run(d);
		requests = workers_requests(&d->workers);
		log_write(LOG_STOPPED, LOG_INFO, "stopped after %llu requests", (unsigned long long) requests);
	}
	if (started && !workers_leave(&d->workers, LEAVE_TIMEOUT_MS))
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

static void print_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		if (text)
			(void) fprintf(stderr, "%s\n", text);
	}
}

static int say_good(const char *file, const struct conf *conf)
{
	char most[MEMORY_TEXT_MAX], idle[MEMORY_TEXT_MAX];
	struct memory memory;
	int r = memory_of(&memory, conf);

	if (r < 0) {
		(void) fprintf(stderr, "%s: %s\n", file, loading_why_not(r));
		return r == -ENOMEM ? EX_OSERR : EX_CONFIG;
	}
	(void) printf("%s: good%s\n", file,
		      access(file, F_OK) == 0 ? "" : " (there is no such file; the built-in defaults are in force)");
	(void) printf("memory: at most %s, if each of %u connections has half a request and unread answers; %s, if all are idle\n",
		      memory_text(memory.most, most), conf->limits.max_connections, memory_text(memory.idle, idle));
	return 0;
}

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
		status = say_good(file, conf);
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

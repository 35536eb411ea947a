/* SPDX-License-Identifier: MIT */
/*
 * The configuration is loaded as a whole or not at all, and becomes a snapshot that workers take when they are asked.  One
 * that is bad at the start is answered for with 503, because whoever exits loses the port; later the one before stays.
 */
#include "daemon/daemon.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/notify.h"
#include "daemon/reload.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sysexits.h>

enum {
	EXTEND_MS		= 30 * 1000,	/* that one body may take */
	EXTEND_EVERY_MS		= 1000,
};

/* Large bodies take seconds each to compress, in this thread, whose time is up for systemd while it does nothing else. */
static void went_on(void *arg)
{
	struct daemon *d = arg;

	daemon_watch_workers(d);
	if (clock_ms() < d->next_extend_ms)
		return;
	d->next_extend_ms = clock_ms() + EXTEND_EVERY_MS;
	notify_extend_timeout(EXTEND_MS * 1000ull);
}

static void log_errors(const struct conf_errors *errors, int priority)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		if (text)
			log_config_error(priority, errors->at[i].file, errors->at[i].line, text);
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
int loading_snapshot(struct snapshot **ret, struct switches **ret_switches, uint64_t number,
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
const char *loading_why_not(int error)
{
	return error == -EFBIG ? "all bodies and heads together are over 1 GiB, or over what a file may have (LimitFSIZE=)"
		: strerror(-error);
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

bool loading_is_misconfigured(const struct daemon *d)
{
	return d->began_misconfigured && d->conf == d->started;
}

/* --- at the start -------------------------------------------------------------------------------------------------- */

int loading_fall_back(struct daemon *d, const char *why)
{
	uint32_t room = d->started ? d->started->limits.max_connections : UINT32_MAX;
	struct conf_errors errors = { 0 };

	if (why)
		add_error(&errors, d->options.source.file, why);
	log_errors(&errors, LOG_ERR);
	conf_errors_clear(&errors);
	log_write(LOG_MISCONFIGURED, LOG_ERR,
		  "the configuration is bad: every request is answered 503 until it is mended and reloaded");
	d->conf = d->started = conf_free(d->started);
	d->began_misconfigured = true;
	if (load_misconfigured(&d->started, &d->options.source) < 0)
		return EX_OSERR;
	d->conf = d->started;
	if (d->conf->limits.max_connections > room)	/* there are descriptors for so many */
		d->conf->limits.max_connections = room;
	return 0;
}

int loading_at_start(struct daemon *d)
{
	struct conf_errors errors = { 0 };
	bool passed = d->listeners.n > 0;
	int r;

	d->options.source.went_on = went_on;
	d->options.source.arg = d;
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
	return loading_fall_back(d, NULL);
}

/* --- again --------------------------------------------------------------------------------------------------------- */

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
	if (!loading_is_misconfigured(d))
		(void) conf_needs_restart(d->conf, *ret, file, ret_told);
	if (ret_told->n > 0) {
		*ret = conf_free(*ret);
		return -EINVAL;
	}
	if (!loading_is_misconfigured(d))
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
	r = loading_snapshot(&snapshot, &switches, number, d, conf);
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
	conf_forget_bodies(conf);
	(void) malloc_trim(0);		/* it will hardly be needed before the next reload */
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
	daemon_watch_use(d);
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
void loading_refused(struct daemon *d)
{
	struct conf_errors told = { 0 };

	log_write(LOG_CONFIG_REFUSED, LOG_WARNING, "no reload while stopping");
	add_error(&told, d->options.source.file, "not read: the daemon is stopping");
	(void) reload_publish(workers_generation(&d->workers), reload_clock_usec(), false, &told);
	conf_errors_clear(&told);
}

void loading_again(struct daemon *d)
{
	uint64_t began_usec = reload_clock_usec();
	struct conf_errors told = { 0 };
	struct conf *conf = NULL;
	int r;

	notify_reloading();
	d->next_extend_ms = 0;		/* what was said of a load before is over with it */
	r = load_again(d, &conf, &told);
	if (r == 0) {
		r = put_in_force(d, conf);
		if (r < 0)	/* what is told then is this alone */
			conf_errors_clear(&told);
	}
	if (r < 0 && told.n == 0)
		add_error(&told, d->options.source.file, loading_why_not(r));
	if (r < 0) {
		conf_free(conf);
		refused(d, &told);
	} else {
		loaded(d, &told);
	}
	notify_ready(daemon_status(d));	/* also after a failure: systemd waits for it */
	r = reload_publish(workers_generation(&d->workers), began_usec, r == 0, &told);
	if (r < 0)
		log_write(LOG_NO_VERDICT, LOG_WARNING, "cannot write the reload's verdict: %s", strerror(-r));
	conf_errors_clear(&told);
}

/* SPDX-License-Identifier: MIT */
/*
 * Each layer says what it allocates, by what it allocates it with; here it is only added up.
 *
 * max_connections is over all workers: what connections have beside their records is counted so many times, wherever they
 * are.  But each worker has a table with room for all of them.  Of the configuration there are, for a moment, the one that
 * the daemon was started with, the one in force and the one that is being loaded, the last with its bodies, and snapshots of
 * the last two.  Older snapshots, which a connection is still sent something of, are not counted: there can be as many as
 * there were reloads.
 */
#include "daemon/memory.h"

#include "daemon/log.h"
#include "daemon/workers.h"

#include <stdio.h>

enum {
	LOADED		= 2,
	SNAPSHOTS	= 2,
	GAPS		= 5,		/* a fifth of what is small is lost between what is in use (seen with 10,000 routes: an eighth) */
};

static int measure_configuration(uint64_t *ret, const struct conf *conf, unsigned workers)
{
	const char *names[ROUTE_NAMES_MAX];
	struct route_settings settings;
	struct snapshot_size size;
	uint64_t small;
	int r;

	r = conf_routes(conf, names, conf_own_names(conf, names), &settings);
	if (r < 0)
		return r;
	r = snapshot_measure(&size, &settings, conf->n_switches);
	conf_routes_free(&settings);
	if (r < 0)
		return r;
	small = (LOADED + 1) * (uint64_t) conf_bytes(conf, false) +
		SNAPSHOTS * workers * (uint64_t) server_held_bytes(size.n_answers, size.heads_length);
	*ret = conf_bytes(conf, true) - conf_bytes(conf, false) + SNAPSHOTS * size.bytes + small + small / GAPS;
	return 0;
}

int memory_of(struct memory *ret, const struct conf *conf)
{
	const struct http_limits *limits = &conf->limits;
	uint64_t workers = workers_wanted(conf), connections = limits->max_connections, configuration;
	size_t n_listeners = 0;
	int r;

	r = measure_configuration(&configuration, conf, (unsigned) workers);
	if (r < 0)
		return r;
	for (size_t i = 0; i < conf->n_listen; i++)
		n_listeners += conf->listen[i].n;
	*ret = (struct memory) {
		.most = log_bytes() + configuration + connections * connection_spill_bytes(limits) +
			workers * (server_bytes(limits->max_connections, n_listeners) + server_refusals_bytes()),
		.idle = log_bytes() + configuration + connections * CONNECTION_IDLE_BYTES +
			workers * server_bytes(0, n_listeners),
	};
	return 0;
}

const char *memory_text(uint64_t bytes, char to[MEMORY_TEXT_MAX])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	uint64_t unit = 1024, tenths;
	size_t i = 0;

	while (i + 1 < sizeof units / sizeof *units && bytes > 1000 * unit) {
		unit *= 1024;
		i++;
	}
	tenths = (bytes * 10 + unit - 1) / unit;
	(void) snprintf(to, MEMORY_TEXT_MAX, "%llu.%llu %s", (unsigned long long) tenths / 10, (unsigned long long) tenths % 10,
			units[i]);
	return to;
}

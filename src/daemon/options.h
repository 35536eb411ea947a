/* SPDX-License-Identifier: MIT */
#pragma once

/* Options: the command line. */
#include "daemon/conf.h"

#include <sys/types.h>

enum options_task {
	OPTIONS_SERVE,
	OPTIONS_CHECK,
	OPTIONS_DUMP,
	OPTIONS_RELOAD,
	OPTIONS_STOPPING,
	OPTIONS_VERSION,
	OPTIONS_HELP,
};

struct options {
	enum options_task task;
	struct conf_source source;	/* its arrays are owned; its strings are the command line's */
	bool strict;
	pid_t pid;			/* of OPTIONS_RELOAD, OPTIONS_STOPPING; 0: none was given */
};

/* Returns 0, or -EINVAL (or -ENOMEM) after it printed what is wrong to stderr. */
int options_parse(struct options *ret, int argc, char **argv);
void options_deinit(struct options *options);
void options_help(FILE *to);

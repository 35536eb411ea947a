/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

static const char help[] =
	"Usage: reactord [OPTION]...\n"
	"Answers HTTP requests from its configuration.\n"
	"\n"
	"  -c, --config FILE            read FILE and FILE.d/*.conf, not " SYSCONFDIR "/reactord.conf\n"
	"  -l, --listen ADDR            listen on ADDR, in place of server.listen; repeatable\n"
	"  -o, --set SECTION.KEY=VALUE  set one key, over what the files say; repeatable\n"
	"  -t, --check                  say whether the configuration is good and what memory it can take\n"
	"  -T, --dump-config            print the settings in force, and exit\n"
	"      --reload [PID]           make a running reactord read its configuration again\n"
	"      --stopping [PID]         for ExecStop=: tell a reactord that it is stopped, not restarted\n"
	"      --strict                 exit on a bad configuration also under systemd\n"
	"  -V, --version                print the version, and exit\n"
	"  -h, --help                   print this, and exit\n"
	"\n"
	"ADDR is 127.0.0.1:8000, [::1]:8000, :8000, or the path of a unix socket.\n"
	"See reactord(8) and reactord.conf(5).\n";

void options_help(FILE *to)
{
	(void) fputs(help, to);
}

void options_deinit(struct options *options)
{
	free((void *) options->source.overrides);
	free((void *) options->source.listen);
	*options = (struct options) { 0 };
}

static int usage(const char *what, const char *why)
{
	(void) fprintf(stderr, "reactord: %s: %s; see reactord --help\n", what, why);
	return -EINVAL;
}

static int parse_pid(struct options *options, const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || pid <= 0 || pid > INT_MAX)
		return usage(text, "this is no process id");
	options->pid = (pid_t) pid;
	return 0;
}

/* Help is given whatever else is asked for; of the other tasks there is one. */
static int take_task(struct options *options, enum options_task task)
{
	static const char *const names[] = {
		[OPTIONS_CHECK] = "-t", [OPTIONS_DUMP] = "-T", [OPTIONS_RELOAD] = "--reload",
		[OPTIONS_STOPPING] = "--stopping", [OPTIONS_VERSION] = "-V",
	};
	char both[32];

	if (options->task == OPTIONS_SERVE || options->task == task || task == OPTIONS_HELP) {
		options->task = task;
		return 0;
	}
	if (options->task == OPTIONS_HELP)
		return 0;
	(void) snprintf(both, sizeof both, "%s and %s", names[options->task], names[task]);
	return usage(both, "one of them");
}

enum { RELOAD = 256, STOPPING, STRICT };

static int take(struct options *options, int option, const char **overrides, const char **listen)
{
	switch (option) {
	case 'c':
		options->source.file = optarg;
		options->source.file_must_exist = true;
		return 0;
	case 'l':
		listen[options->source.n_listen++] = optarg;
		return 0;
	case 'o':
		overrides[options->source.n_overrides++] = optarg;
		return 0;
	case 't':
		return take_task(options, OPTIONS_CHECK);
	case 'T':
		return take_task(options, OPTIONS_DUMP);
	case 'V':
		return take_task(options, OPTIONS_VERSION);
	case 'h':
		return take_task(options, OPTIONS_HELP);
	case RELOAD:
		if (optarg && parse_pid(options, optarg) < 0)
			return -EINVAL;
		return take_task(options, OPTIONS_RELOAD);
	case STOPPING:
		if (optarg && parse_pid(options, optarg) < 0)
			return -EINVAL;
		return take_task(options, OPTIONS_STOPPING);
	case STRICT:
		options->strict = true;
		return 0;
	default:	/* getopt has said what is wrong */
		(void) fputs("see reactord --help\n", stderr);
		return -EINVAL;
	}
}

int options_parse(struct options *ret, int argc, char **argv)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },	{ "listen", required_argument, NULL, 'l' },
		{ "set", required_argument, NULL, 'o' },	{ "check", no_argument, NULL, 't' },
		{ "dump-config", no_argument, NULL, 'T' },	{ "reload", optional_argument, NULL, RELOAD },
		{ "stopping", optional_argument, NULL, STOPPING },
		{ "strict", no_argument, NULL, STRICT },	{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },		{ NULL, 0, NULL, 0 },
	};
	const char **overrides = calloc((size_t) argc, sizeof *overrides);
	const char **listen = calloc((size_t) argc, sizeof *listen);
	int option;
	int r = 0;

	*ret = (struct options) { .source = { .file = SYSCONFDIR "/reactord.conf", .overrides = overrides, .listen = listen } };
	if (!overrides || !listen) {
		(void) fputs("reactord: out of memory\n", stderr);
		return -ENOMEM;
	}
	optind = 0;	/* glibc: from the beginning, also the second time */
	while (r == 0 && (option = getopt_long(argc, argv, "c:l:o:tTVh", known, NULL)) != -1)
		r = take(ret, option, overrides, listen);
	if (r < 0)
		return r;
	if (optind < argc && (ret->task == OPTIONS_RELOAD || ret->task == OPTIONS_STOPPING) && ret->pid == 0)
		r = parse_pid(ret, argv[optind++]);
	if (r == 0 && optind < argc)
		r = usage(argv[optind], "this is no option");
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * reactord-generator: a systemd.generator(7) that makes server.listen the address of reactord.socket, so that
 * reactord.conf is the one place for it; and so for each instance, whose file is /etc/reactord/NAME.conf.  It writes a
 * drop-in when server.listen is set, and nothing when it is not or is wrong: the unit's own address is better than no
 * port.  Mistakes elsewhere do not matter here: the daemon then answers 503, and where its clients look for it.
 *
 * A unit has one name for all its listeners and one mode for all its unix sockets.  So each further name in server.listen
 * becomes a unit of its own, reactord-NAME.socket, which comes and goes with reactord.socket.  When the name is taken out
 * of the file nothing would stop that unit any more, since to systemd it is a unit without a file then; so what was made
 * since boot is remembered in /run, and what is not made again is in conflict with reactord.socket, whose start ends it.
 * Rejected: one unit for all, and the daemon tells the names by the addresses.  Then there would be one mode for all.
 *
 * It runs as root at boot and at daemon-reload, before there is a journal to write to; so it speaks to the kernel's
 * log, and never fails in a way that could hold up the boot.
 */
#include "core/cleanup.h"
#include "daemon/conf.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <netinet/in.h>

enum { UNIT_MAX = CONF_UNIT_MAX + ADDRESS_NAME_MAX + 20 };

struct made {				/* what is made of one file */
	const char *units;		/* the directory that units are written to */
	const char *remembered;		/* the directory where names of units are remembered; NULL: nowhere */
	const char *file;
	char base[CONF_UNIT_MAX];	/* "reactord", "reactord@blue" */
	const char *name;		/* of the listeners of base.socket itself */
	unsigned backlog;		/* of all its sockets */
};

static bool tried_by_hand;	/* with a FILE: the kernel's log is not told */

/* To stderr, where a person who tries it sees it, and to the kernel's log, from where the journal has it. */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	cleanup(close_fd) int kernel = -1;
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	(void) vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	(void) fprintf(stderr, "reactord-generator: %s\n", text);
	if (!tried_by_hand)
		kernel = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (kernel >= 0)
		(void) dprintf(kernel, "<3>reactord-generator: %s\n", text);
}

/* To systemd a single % begins a specifier. */
static void write_address(FILE *to, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	(void) address_text((const struct sockaddr *) &address->at, address->length, text);
	(void) fputs("ListenStream=", to);
	for (const char *c = text; *c; c++) {
		if (*c == '%')
			(void) fputc('%', to);
		(void) fputc(*c, to);
	}
	(void) fputc('\n', to);
}

/* A port of the kernel's choice cannot be told to anyone when systemd opens it. */
static bool has_port(const struct conf_listen *listen)
{
	const struct sockaddr *at = (const struct sockaddr *) &listen->at[0].at;

	if (at->sa_family == AF_INET)
		return ((const struct sockaddr_in *) at)->sin_port != 0;
	if (at->sa_family == AF_INET6)
		return ((const struct sockaddr_in6 *) at)->sin6_port != 0;
	return true;
}

static bool belongs(const struct conf_listen *listen, const char *name)
{
	return strcmp(listen->at[0].name, name) == 0 && has_port(listen);
}

/* The first to have this name? */
static bool is_first(const struct conf *conf, size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (belongs(&conf->listen[i], conf->listen[number].at[0].name))
			return false;
	return has_port(&conf->listen[number]);
}

/* base.socket has the listeners without a name, or else the first that there are: a unit cannot have none.  NULL: no
 * address can be used. */
static const char *name_of_base(const struct conf *conf)
{
	const char *name = NULL;

	for (size_t i = 0; i < conf->n_listen; i++) {
		if (belongs(&conf->listen[i], ADDRESS_NAME))
			return ADDRESS_NAME;
		if (!name && has_port(&conf->listen[i]))
			name = conf->listen[i].at[0].name;
	}
	return name;
}

static char separator(const struct made *made)
{
	return strchr(made->base, '@') ? ':' : '-';
}

/* "reactord-admin.socket"; of an instance "reactord@blue:admin.socket", since - may be in both. */
static void unit_of(const struct made *made, const char *name, char to[UNIT_MAX])
{
	(void) snprintf(to, UNIT_MAX, "%s%c%s.socket", made->base, separator(made), name);
}

/* One mode is for all unix sockets of a unit: what every one of them allows. */
static void write_mode(FILE *to, const struct conf *conf, const char *name)
{
	mode_t mode = 0777;
	bool any = false;

	for (size_t i = 0; i < conf->n_listen; i++) {
		if (conf->listen[i].at[0].at.ss_family != AF_UNIX || !belongs(&conf->listen[i], name))
			continue;
		if (any && mode != conf->listen[i].at[0].mode)
			say("systemd has one mode for all unix sockets of one name: of those named %s the narrowest is used", name);
		mode &= conf->listen[i].at[0].mode;
		any = true;
	}
	if (any)
		(void) fprintf(to, "SocketMode=%04o\n", (unsigned) mode);
}

/* Each value is one family, as when we bind it. */
static void write_listeners(FILE *to, const struct conf *conf, const char *name)
{
	(void) fprintf(to, "BindIPv6Only=ipv6-only\nFileDescriptorName=%s\n", name);
	for (size_t i = 0; i < conf->n_listen; i++)
		for (unsigned j = 0; j < conf->listen[i].n && belongs(&conf->listen[i], name); j++)
			write_address(to, &conf->listen[i].at[j]);
	write_mode(to, conf, name);
}

/* What was made of the file since boot, and is not now: base.socket cannot be there together with it. */
static void write_conflicts(FILE *to, const struct made *made, const struct conf *conf)
{
	DIR *directory = made->remembered ? opendir(made->remembered) : NULL;
	size_t length = strlen(made->base);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		char unit[UNIT_MAX];
		bool again = false;

		if (strncmp(entry->d_name, made->base, length) != 0 || entry->d_name[length] != separator(made))
			continue;
		for (size_t i = 0; conf && i < conf->n_listen && !again; i++) {
			unit_of(made, conf->listen[i].at[0].name, unit);
			again = is_first(conf, i) && strcmp(conf->listen[i].at[0].name, made->name) != 0
				&& strcmp(unit, entry->d_name) == 0;
		}
		if (!again)
			(void) fprintf(to, "Conflicts=%s\n", entry->d_name);
	}
	if (directory)
		(void) closedir(directory);
}

static void remember(const struct made *made, const char *unit)
{
	char path[PATH_MAX];
	int fd;

	if (!made->remembered)
		return;
	(void) mkdir(made->remembered, 0755);
	(void) snprintf(path, sizeof path, "%s/%s", made->remembered, unit);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		(void) close(fd);
}

static FILE *open_in(const struct made *made, const char *directory, const char *name)
{
	char path[PATH_MAX];
	FILE *to;

	(void) snprintf(path, sizeof path, "%s/%s", made->units, directory);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return NULL;
	(void) snprintf(path, sizeof path, "%s/%s%s", made->units, directory, name);
	to = fopen(path, "we");
	if (to)
		(void) fprintf(to, "# Made by reactord-generator from server.listen in %s\n\n", made->file);
	return to;
}

static int finish(FILE *to)
{
	int r = ferror(to) ? -EIO : 0;

	return fclose(to) != 0 ? -errno : r;
}

/* conf: NULL when its addresses are bad, or not set.  Mistakes are then in the journal each time that the socket is opened:
 * the kernel's log, where a host has it, is no place of the unit's. */
static int make_drop_in(const struct made *made, const struct conf *conf, bool bad)
{
	char unit[UNIT_MAX];
	FILE *to;

	(void) snprintf(unit, sizeof unit, "%s.socket.d/", made->base);
	to = open_in(made, unit, "50-reactord-conf.conf");
	if (!to)
		return -errno;
	(void) fputs("[Unit]\n", to);
	for (size_t i = 0; conf && i < conf->n_listen; i++) {
		const char *name = conf->listen[i].at[0].name;

		if (!is_first(conf, i) || strcmp(name, made->name) == 0)
			continue;
		unit_of(made, name, unit);
		(void) fprintf(to, "Wants=%s\n", unit);
	}
	write_conflicts(to, made, conf);
	(void) fputs("\n[Socket]\n", to);
	if (bad)
		(void) fprintf(to, "SyslogLevel=err\nExecStartPre=-" SBINDIR "/reactord --check --config %s\n", made->file);
	if (made->backlog != CONF_BACKLOG_DEFAULT)
		(void) fprintf(to, "Backlog=%u\n", made->backlog);
	if (conf) {
		(void) fputs("ListenStream=\n", to);
		write_listeners(to, conf, made->name);
	}
	return finish(to);
}

/* What is not said of its addresses is said as in reactord.socket. */
static int make_unit(const struct made *made, const struct conf *conf, const char *name)
{
	char unit[UNIT_MAX];
	FILE *to;

	unit_of(made, name, unit);
	remember(made, unit);
	to = open_in(made, "", unit);
	if (!to)
		return -errno;
	(void) fprintf(to, "[Unit]\nDescription=Sockets of %s named %s\nDocumentation=man:reactord(8)\n"
		       "PartOf=%s.socket\nStartLimitIntervalSec=0\n\n", made->base, name, made->base);
	(void) fprintf(to, "[Socket]\nService=%s.service\nBacklog=%u\nFreeBind=yes\n", made->base, made->backlog);
	write_listeners(to, conf, name);
	return finish(to);
}

static int make_units(struct made *made, const struct conf *conf)
{
	int r = 0;

	for (size_t i = 0; i < conf->n_listen; i++)
		if (!has_port(&conf->listen[i]))
			say("server.listen = %s: under systemd an address needs a port of its own; left out", conf->listen[i].text);
	made->name = name_of_base(conf);
	if (!made->name)
		return 0;
	for (size_t i = 0; i < conf->n_listen && r == 0; i++)
		if (is_first(conf, i) && strcmp(conf->listen[i].at[0].name, made->name) != 0)
			r = make_unit(made, conf, conf->listen[i].at[0].name);
	return r == 0 ? make_drop_in(made, conf, false) : r;
}

/* Were there further units before the setting was taken out? */
static bool has_made_any(const struct made *made)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	bool any;

	if (!to)
		return false;
	write_conflicts(to, made, NULL);
	any = fclose(to) == 0 && length > 0;
	free(text);
	return any;
}

static void say_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		say("%s", text ? text : "out of memory");
	}
}

static int take_file(struct made *made)
{
	struct conf_source source = { .file = made->file };
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;
	int r = 0;

	made->backlog = CONF_BACKLOG_DEFAULT;
	if (conf_load_listen(&conf, &source, &errors) == 0)
		made->backlog = conf->backlog;
	if (!conf) {
		say_errors(&errors);
		say("server.listen is bad: %s.socket keeps the address of its unit", made->base);
		r = make_drop_in(made, NULL, true);
	} else if (conf->listen_is_set) {
		say_errors(&errors);
		r = make_units(made, conf);
	} else if (has_made_any(made) || made->backlog != CONF_BACKLOG_DEFAULT) {
		r = make_drop_in(made, NULL, false);
	}
	if (r < 0)
		say("cannot write the units of %s.socket in %s: %s", made->base, made->units, strerror(-r));
	conf_errors_clear(&errors);
	conf_free(conf);
	return r;
}

/* "blue.conf" is of the instance "blue".  Other files may lie there, such as pages: of them nothing is made, since nothing
 * in them is server.listen. */
static bool is_instance(const char *name)
{
	size_t length = strlen(name);
	char instance[ADDRESS_NAME_MAX + 1];

	if (length <= strlen(".conf") || length > ADDRESS_NAME_MAX + strlen(".conf")
	    || strcmp(name + length - strlen(".conf"), ".conf") != 0)
		return false;
	(void) snprintf(instance, sizeof instance, "%.*s", (int) (length - strlen(".conf")), name);
	return !address_name_refused(instance);
}

/* In the directory that is called as the file is, without .conf. */
static int take_instances(const struct made *main_file)
{
	cleanup(free_pointer) char *path = strndup(main_file->file, strlen(main_file->file) - strlen(".conf"));
	DIR *directory = path ? opendir(path) : NULL;
	struct dirent *entry;
	int r = 0;

	while (directory && (entry = readdir(directory))) {
		struct made made = *main_file;
		char file[PATH_MAX];

		if (!is_instance(entry->d_name))
			continue;
		(void) snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		(void) snprintf(made.base, sizeof made.base, "reactord@%.*s",
				(int) (strlen(entry->d_name) - strlen(".conf")), entry->d_name);
		made.file = file;
		if (take_file(&made) < 0)
			r = -EIO;
	}
	if (directory)
		(void) closedir(directory);
	return r;
}

int main(int argc, char **argv)
{
	struct made made = { .file = SYSCONFDIR "/reactord.conf", .remembered = "/run/reactord-generator", .base = "reactord" };
	int r;

	if (argc < 4 || argc > 6) {
		(void) fprintf(stderr, "Usage: %s DIRECTORY DIRECTORY DIRECTORY [FILE.conf [REMEMBERED]]: see systemd.generator(7)\n",
			       argv[0]);
		return 1;
	}
	made.units = argv[1];
	if (argc > 4) {
		made.file = argv[4];
		made.remembered = argv[5];	/* NULL: there is none */
		tried_by_hand = true;
	}
	r = take_file(&made);
	if (take_instances(&made) < 0)
		r = -EIO;
	return r < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * reactord-generator: a systemd.generator(7) that makes server.listen the address of reactord.socket, so that
 * reactord.conf is the one place for it.  It writes a drop-in when server.listen is set, and nothing when it is not or is
 * wrong: the unit's own address is better than no port.  Mistakes elsewhere do not matter here: the daemon then answers
 * 503, and where its clients look for it.
 *
 * It runs as root at boot and at daemon-reload, before there is a journal to write to; so it speaks to the kernel's
 * log, and never fails in a way that could hold up the boot.
 */
#include "core/cleanup.h"
#include "daemon/conf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <netinet/in.h>

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

/* To systemd a single % begins a specifier, and a backslash at the end of a line continues it, however it is written.  So
 * behind that goes %i, the instance, which a unit that is no template has none of. */
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
	(void) fputs(text[strlen(text) - 1] == '\\' ? "%i\n" : "\n", to);
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

/* One mode is for all unix sockets of a unit: what every one of them allows. */
static void write_mode(FILE *to, const struct conf *conf)
{
	mode_t mode = 0777;
	bool any = false;

	for (size_t i = 0; i < conf->n_listen; i++) {
		if (conf->listen[i].at[0].at.ss_family != AF_UNIX)
			continue;
		if (any && mode != conf->listen[i].at[0].mode)
			say("systemd has one mode for all unix sockets of reactord.socket: the narrowest is used");
		mode &= conf->listen[i].at[0].mode;
		any = true;
	}
	if (any)
		(void) fprintf(to, "SocketMode=%04o\n", (unsigned) mode);
}

static void write_drop_in(FILE *to, const struct conf *conf, const char *file)
{
	(void) fprintf(to, "# Made by reactord-generator from server.listen in %s\n\n[Socket]\n", file);
	(void) fputs("ListenStream=\nBindIPv6Only=ipv6-only\n", to);	/* each value is one family, as when we bind it */
	for (size_t i = 0; i < conf->n_listen; i++) {
		const struct conf_listen *listen = &conf->listen[i];

		if (!has_port(listen)) {
			say("server.listen = %s: under systemd an address needs a port of its own; left out", listen->text);
			continue;
		}
		for (unsigned j = 0; j < listen->n; j++)
			write_address(to, &listen->at[j]);
	}
	write_mode(to, conf);
}

static int make_drop_in(const char *directory, const struct conf *conf, const char *file)
{
	char path[PATH_MAX];
	FILE *to;
	int r = 0;

	(void) snprintf(path, sizeof path, "%s/reactord.socket.d", directory);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	(void) snprintf(path, sizeof path, "%s/reactord.socket.d/50-reactord-conf.conf", directory);
	to = fopen(path, "we");
	if (!to)
		return -errno;
	write_drop_in(to, conf, file);
	if (ferror(to))
		r = -EIO;
	if (fclose(to) != 0)
		r = -errno;
	return r;
}

static bool any_usable(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listen; i++)
		if (has_port(&conf->listen[i]))
			return true;
	return false;
}

static void say_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		cleanup(free_pointer) char *text = conf_error_text(&errors->at[i]);

		say("%s", text ? text : "out of memory");
	}
}

int main(int argc, char **argv)
{
	struct conf_source source = { .file = SYSCONFDIR "/reactord.conf" };
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;
	int r = 0;

	if (argc != 4 && argc != 5) {
		(void) fprintf(stderr, "Usage: %s DIRECTORY DIRECTORY DIRECTORY [FILE]: see systemd.generator(7)\n", argv[0]);
		return 1;
	}
	if (argc == 5) {
		source.file = argv[4];
		tried_by_hand = true;
	}
	if (conf_load_listen(&conf, &source, &errors) < 0) {
		say_errors(&errors);
		say("server.listen is bad: reactord.socket keeps the address of its unit");
	} else if (conf->listen_is_set && any_usable(conf)) {
		say_errors(&errors);
		r = make_drop_in(argv[1], conf, source.file);
		if (r < 0)
			say("cannot write the drop-in of reactord.socket in %s: %s", argv[1], strerror(-r));
	}
	conf_errors_clear(&errors);
	conf_free(conf);
	return r < 0 ? 1 : 0;
}

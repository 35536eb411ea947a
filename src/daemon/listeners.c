/* SPDX-License-Identifier: MIT */
/*
 * Either all listeners are had or none.  A listener of our own is bound once plain, and only then gets SO_REUSEPORT and
 * sisters for the other workers: with SO_REUSEPORT on the first bind a second daemon would quietly share the port,
 * where it should be told that it is in use.
 *
 * Two daemons that start at the same moment on the path of a dead one may each take the other's new socket for the
 * stale one; the later one has the path then.  A lock file would cure that, and be one more thing that is left behind.
 */
#include "daemon/listeners.h"

#include "core/cleanup.h"
#include "daemon/alive.h"
#include "daemon/datagram.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/restart.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

enum { TWO_FAMILY_TRIES = 16 };

static int set_flag(int fd, int level, int option)
{
	int one = 1;

	return setsockopt(fd, level, option, &one, sizeof one) < 0 ? -errno : 0;
}

/* What connections inherit, and when accept is told: with the first bytes, or after a second without (tcp(7)). */
static void tune(int fd, int family)
{
	if (family != AF_INET && family != AF_INET6)
		return;
	(void) set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
	(void) set_flag(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT);
}

static int set_cloexec(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

/* Room for one more, whose descriptors are then owned by the list. */
static struct listener *add(struct listeners *listeners, unsigned n_fds)
{
	struct listener *grown = realloc(listeners->at, (listeners->n + 1) * sizeof *grown);
	struct listener *listener;

	if (!grown)
		return NULL;
	listeners->at = grown;
	listener = &grown[listeners->n];
	*listener = (struct listener) { .length = sizeof listener->at };
	listener->fds = calloc(n_fds, sizeof *listener->fds);
	if (!listener->fds)
		return NULL;
	for (unsigned i = 0; i < n_fds; i++)
		listener->fds[i] = -1;
	listeners->n++;
	return listener;
}

/* A name has the number that another listener of it has, or the next. */
static int set_name(const struct listeners *listeners, struct listener *listener, const char *name)
{
	unsigned most = 0;

	listener->name = strdup(name);
	if (!listener->name)
		return -ENOMEM;
	for (size_t i = 0; i < listeners->n && listener->number == 0; i++) {
		const struct listener *other = &listeners->at[i];

		if (other->name && other != listener && strcmp(other->name, name) == 0)
			listener->number = other->number;
		most = other->number > most ? other->number : most;
	}
	if (listener->number == 0 && most == ROUTE_NAMES_MAX)
		return -E2BIG;
	if (listener->number == 0)
		listener->number = (uint8_t) (most + 1);
	return 0;
}

static int ask_address(struct listener *listener, int fd)
{
	listener->length = sizeof listener->at;
	if (getsockname(fd, (struct sockaddr *) &listener->at, &listener->length) < 0)
		return -errno;
	(void) address_text((struct sockaddr *) &listener->at, listener->length, listener->text);
	return 0;
}

/* --- passed by systemd ------------------------------------------------------------------------------------------- */

/* Of a family that we can serve: vsock, for one, has streams too. */
static bool is_stream_listener(int fd)
{
	return sd_is_socket(fd, AF_INET, SOCK_STREAM, 1) > 0 || sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1) > 0 ||
	       sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0;
}

static bool is_handover(int fd)
{
	return sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 0) > 0;
}

/* As a memfd is. */
static bool is_page(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* What is no listener: its name says what it is for, and its type that it is no listener of that name. */
static bool take_other(struct listeners *listeners, int fd, const char *name)
{
	if (is_stream_listener(fd))	/* whatever its name is */
		return false;
	if (strcmp(name, RESTART_NAME) == 0 && is_handover(fd)) {		/* of several the last is as good as any: there is one */
		close_fd(&listeners->handover_fd);
		listeners->handover_fd = fd;
		return true;
	}
	if (strcmp(name, ALIVE_NAME) == 0 && is_page(fd)) {
		close_fd(&listeners->alive_fd);
		listeners->alive_fd = fd;
		return true;
	}
	if (strcmp(name, JOURNAL_NAME) == 0 && datagram_is_socket(fd)) {
		journal_use(fd);
		return true;
	}
	if (strcmp(name, NOTIFY_NAME) == 0 && datagram_is_socket(fd)) {
		notify_use(fd);
		return true;
	}
	return false;
}

static const char *kind_of_socket(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer, type_length = sizeof(int);
	int type = 0;

	(void) getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length);
	switch (type) {
	case SOCK_STREAM:
		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0)
			return "a socket of a family that is neither IP nor unix";
		return getpeername(fd, (struct sockaddr *) &peer, &length) == 0 ? "a connection"
			: "a stream socket that does not listen";
	case SOCK_DGRAM:
		return "a datagram socket";
	case SOCK_SEQPACKET:
		return "a sequential-packet socket";
	default:
		return "a socket of another type";
	}
}

static const char *kind_of(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return strerror(errno);
	switch (status.st_mode & S_IFMT) {
	case S_IFSOCK:
		return kind_of_socket(fd);
	case S_IFIFO:
		return "a FIFO";
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "something else";
	}
}

static int refuse(int fd, const char *name, char **ret_why)
{
	if (asprintf(ret_why, "descriptor %d (\"%s\") that systemd passed is %s, and no listening stream socket", fd, name,
		     kind_of(fd)) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

/* systemd clears O_NONBLOCK at each start. */
static int take_one(struct listeners *listeners, int fd, const char *name, char **ret_why)
{
	struct listener *listener;
	int flags;
	int r;

	if (take_other(listeners, fd, name))
		return 0;
	if (!is_stream_listener(fd))
		return refuse(fd, name, ret_why);
	listener = add(listeners, 1);
	if (!listener)
		return -ENOMEM;
	listener->fds[0] = fd;
	listener->n_fds = 1;
	listener->passed = true;
	r = set_name(listeners, listener, name);
	if (r < 0)
		return r;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	r = ask_address(listener, fd);
	if (r == 0)
		tune(fd, listener->at.ss_family);
	return r;
}

/* What a program that became this one had: see restart.h. */
static int take_inherited(struct listeners *listeners, char **ret_why)
{
	cleanup(free_pointer) char *text = strdup(getenv(RESTART_LISTENERS));
	const char *handover = getenv(RESTART_HANDOVER);
	char *rest = text, *number, *name;
	int r = text ? 0 : -ENOMEM;

	while (r == 0 && (number = strsep(&rest, ":")) != NULL) {
		name = strsep(&rest, ":");
		r = name ? set_cloexec(atoi(number)) : -EINVAL;
		if (r == 0)
			r = take_one(listeners, atoi(number), name, ret_why);
	}
	if (r == 0 && handover) {
		listeners->handover_fd = atoi(handover);
		r = set_cloexec(listeners->handover_fd);
	}
	(void) unsetenv(RESTART_LISTENERS);
	(void) unsetenv(RESTART_HANDOVER);
	return r;
}

/* Who passes sockets without LISTEN_FDNAMES= gave them no name, of which libsystemd makes "unknown". */
static const char *name_of(char **names, int i)
{
	return names && *names[i] && strcmp(names[i], "unknown") != 0 ? names[i] : ADDRESS_NAME;
}

int listeners_take_passed(struct listeners *listeners, char **ret_why)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	int r = 0;

	*ret_why = NULL;
	listeners->handover_fd = listeners->alive_fd = -1;
	for (int i = 0; i < n && r == 0; i++)
		r = take_one(listeners, SD_LISTEN_FDS_START + i, name_of(names, i), ret_why);
	for (int i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
	listeners->inherited = n == 0 && getenv(RESTART_LISTENERS);
	if (listeners->inherited)
		r = take_inherited(listeners, ret_why);
	if (n < 0)
		r = n;
	if (r < 0) {
		if (!*ret_why && asprintf(ret_why, "cannot take the sockets that systemd passed: %s",
					  r == -E2BIG ? "they have more than 255 names" : strerror(-r)) < 0)
			*ret_why = NULL;
		listeners_close(listeners);
		return r;
	}
	return (int) listeners->n;
}

/* --- bound by us ------------------------------------------------------------------------------------------------- */

static int open_socket(int family, bool reuse_port, int *ret_fd)
{
	cleanup(close_fd) int fd = -1;
	int r = 0;

	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);	/* we close first: TIME_WAIT is ours */
	if (r == 0 && family == AF_INET6)
		r = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && reuse_port)
		r = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A socket file that nobody listens on was left behind by a daemon that died; another file is not ours to remove. */
static int remove_stale(const struct sockaddr_un *at, socklen_t length)
{
	cleanup(close_fd) int fd = -1;
	struct stat file;

	if (lstat(at->sun_path, &file) < 0)
		return errno == ENOENT ? 0 : -errno;	/* gone since bind() saw it */
	if (!S_ISSOCK(file.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *) at, length) == 0 || errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(at->sun_path) < 0 ? -errno : 0;
}

/* bind() gives the file the mode that the socket has, less the umask (fs: unix_bind): so it is never wider than it was
 * configured, and chmod() gives back what the umask took. */
static int bind_unix(int fd, const struct address *address)
{
	const struct sockaddr_un *at = (const struct sockaddr_un *) &address->at;
	int r;

	if (fchmod(fd, address->mode) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *) at, address->length) < 0) {
		if (errno != EADDRINUSE)
			return -errno;
		r = remove_stale(at, address->length);
		if (r < 0)
			return r;
		if (bind(fd, (const struct sockaddr *) at, address->length) < 0)
			return -errno;
	}
	if (chmod(at->sun_path, address->mode) < 0) {
		r = -errno;
		(void) unlink(at->sun_path);
		return r;
	}
	return 0;
}

static int bind_first(const struct address *address, unsigned n_fds, int *ret_fd)
{
	cleanup(close_fd) int fd = -1;
	int family = address->at.ss_family;
	int r;

	r = open_socket(family, false, &fd);
	if (r < 0)
		return r;
	if (family == AF_UNIX)
		r = bind_unix(fd, address);
	else
		r = bind(fd, (const struct sockaddr *) &address->at, address->length) < 0 ? -errno : 0;
	if (r == 0 && n_fds > 1)
		r = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int bind_sister(const struct listener *listener, int *ret_fd)
{
	cleanup(close_fd) int fd = -1;
	int r;

	r = open_socket(listener->at.ss_family, true, &fd);
	if (r < 0)
		return r;
	if (bind(fd, (const struct sockaddr *) &listener->at, listener->length) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int remember_path(struct listener *listener)
{
	struct stat file;

	if (lstat(((const struct sockaddr_un *) &listener->at)->sun_path, &file) < 0)
		return -errno;
	listener->device = file.st_dev;
	listener->inode = file.st_ino;
	return 0;
}

static int bind_one(struct listeners *listeners, const struct address *address, unsigned n_workers, unsigned backlog)
{
	unsigned n_fds = address->at.ss_family == AF_UNIX ? 1 : n_workers;
	struct listener *listener = add(listeners, n_fds);
	int r;

	if (!listener)
		return -ENOMEM;
	r = set_name(listeners, listener, address->name);
	if (r < 0)
		return r;
	r = bind_first(address, n_fds, &listener->fds[0]);
	if (r < 0)
		return r;
	listener->n_fds = 1;
	r = ask_address(listener, listener->fds[0]);
	if (r == 0 && address->at.ss_family == AF_UNIX)
		r = remember_path(listener);
	while (r == 0 && listener->n_fds < n_fds) {
		r = bind_sister(listener, &listener->fds[listener->n_fds]);
		if (r == 0)
			listener->n_fds++;
	}
	for (unsigned i = 0; i < listener->n_fds && r == 0; i++) {
		tune(listener->fds[i], listener->at.ss_family);
		r = listen(listener->fds[i], (int) backlog) < 0 ? -errno : 0;
	}
	return r;
}

static void set_port(struct address *address, const struct listener *like)
{
	in_port_t port = ((const struct sockaddr_in *) &like->at)->sin_port;

	if (like->at.ss_family == AF_INET6)
		port = ((const struct sockaddr_in6 *) &like->at)->sin6_port;
	if (address->at.ss_family == AF_INET6)
		((struct sockaddr_in6 *) &address->at)->sin6_port = port;
	else
		((struct sockaddr_in *) &address->at)->sin_port = port;
}

static void close_last(struct listeners *listeners);

/* ":0" is one port in both families: the kernel chooses it for the first, and it may be taken in the second.  A host
 * without IPv6 has but the second.  ret_failed: the address that could not be had. */
static int bind_two(struct listeners *listeners, const struct conf_listen *listen, unsigned n_workers, unsigned backlog,
		    struct address *ret_failed)
{
	bool any_port = ((const struct sockaddr_in *) &listen->at[1].at)->sin_port == 0;
	int r = -EADDRINUSE;

	for (int i = 0; i < TWO_FAMILY_TRIES && r == -EADDRINUSE; i++) {
		struct address second = listen->at[1];
		size_t before = listeners->n;

		r = bind_one(listeners, &listen->at[0], n_workers, backlog);
		if (r < 0 && r != -EAFNOSUPPORT) {
			*ret_failed = listen->at[0];
			return r;
		}
		if (r == 0)
			set_port(&second, &listeners->at[listeners->n - 1]);
		else
			close_last(listeners);	/* it holds no socket */
		r = bind_one(listeners, &second, n_workers, backlog);
		*ret_failed = second;
		if (r != -EADDRINUSE || !any_port)
			return r;
		while (listeners->n > before)
			close_last(listeners);
	}
	return r;
}

static const char *hint(const struct address *address, int error)
{
	bool is_path = address->at.ss_family == AF_UNIX;

	if (error == -E2BIG)
		return " (server.listen has more than 255 names)";
	if (error == -EACCES && !is_path)
		return " (ports below 1024 need CAP_NET_BIND_SERVICE, or reactord.socket)";
	if (error == -ENOTSOCK)
		return " (what is there is no socket, and is not removed)";
	return error == -EADDRNOTAVAIL ? " (no interface of this host has it)" : "";
}

/* A file that is not a socket makes bind() say that the address is in use, which it is. */
static char *why_not(const struct address *failed, int error)
{
	char text[ADDRESS_TEXT_MAX];
	char *why;

	(void) address_text((const struct sockaddr *) &failed->at, failed->length, text);
	if (asprintf(&why, "cannot listen on %s: %s%s", text,
		     strerror(error == -ENOTSOCK ? EADDRINUSE : -error), hint(failed, error)) < 0)
		return NULL;
	return why;
}

int listeners_bind(struct listeners *listeners, const struct conf *conf, unsigned n_workers, char **ret_why)
{
	int r = 0;

	*ret_why = NULL;
	for (size_t i = 0; i < conf->n_listen && r == 0; i++) {
		const struct conf_listen *listen = &conf->listen[i];
		struct address failed = listen->at[0];

		if (listen->n == 2)
			r = bind_two(listeners, listen, n_workers, conf->backlog, &failed);
		else
			r = bind_one(listeners, &listen->at[0], n_workers, conf->backlog);
		if (r < 0)
			*ret_why = why_not(&failed, r);
	}
	if (r < 0)
		listeners_close(listeners);
	return r;
}

/* --- closing ----------------------------------------------------------------------------------------------------- */

/* Only while the file is still our socket: another daemon may have taken the path over. */
static void remove_path(const struct listener *listener)
{
	const struct sockaddr_un *at = (const struct sockaddr_un *) &listener->at;
	struct stat file;

	if (listener->passed || listener->n_fds == 0 || at->sun_family != AF_UNIX)
		return;
	if (lstat(at->sun_path, &file) == 0 && file.st_dev == listener->device && file.st_ino == listener->inode)
		(void) unlink(at->sun_path);
}

static void close_last(struct listeners *listeners)
{
	struct listener *listener = &listeners->at[--listeners->n];

	remove_path(listener);
	for (unsigned i = 0; i < listener->n_fds; i++)
		close_fd(&listener->fds[i]);
	free(listener->fds);
	free(listener->name);
}

void listeners_close(struct listeners *listeners)
{
	while (listeners->n > 0)
		close_last(listeners);
	free(listeners->at);
	*listeners = (struct listeners) { .handover_fd = -1, .alive_fd = -1 };
}

/* --- what systemd passed against what was configured ------------------------------------------------------------- */

/* server.listen without a name agrees with every name: that of a unit of the administrator's own is not told twice. */
static const struct listener *find_passed(const struct listeners *listeners, const struct address *wanted)
{
	for (size_t i = 0; i < listeners->n; i++)
		if (address_equal(wanted, (const struct sockaddr *) &listeners->at[i].at, listeners->at[i].length) &&
		    (!wanted->named || strcmp(wanted->name, listeners->at[i].name) == 0))
			return &listeners->at[i];
	return NULL;
}

static bool is_inet6_only(const struct listener *listener)
{
	int only = 0;
	socklen_t length = sizeof only;

	return listener->n_fds > 0 && getsockopt(listener->fds[0], IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 && only;
}

/* [::]:PORT without IPV6_V6ONLY takes what comes to 0.0.0.0 as well.  0.0.0.0:PORT alone is what systemd binds for a PORT on
 * a host without IPv6; that the host has none cannot be seen from within the sandbox. */
static bool value_is_passed(const struct listeners *listeners, const struct conf_listen *listen)
{
	const struct listener *first = find_passed(listeners, &listen->at[0]);

	if (listen->n == 1)
		return first != NULL;
	return find_passed(listeners, &listen->at[1]) || (first && !is_inet6_only(first));
}

/* As it would be written in server.listen. */
static void write_listener(FILE *to, const struct listener *listener)
{
	bool is_usual = strcmp(listener->name, ADDRESS_NAME) == 0;

	(void) fprintf(to, "%s%s%s", listener->text, is_usual ? "" : " name=", is_usual ? "" : listener->name);
}

char *listeners_disagree(const struct listeners *listeners, const struct conf *conf, const char *unit)
{
	char *text = NULL;
	size_t length = 0;
	size_t missing = 0;
	FILE *to;

	if (!conf->listen_is_set)
		return NULL;
	to = open_memstream(&text, &length);
	if (!to)
		return NULL;
	(void) fputs("server.listen is ", to);
	for (size_t i = 0; i < conf->n_listen; i++)
		if (!value_is_passed(listeners, &conf->listen[i]))
			(void) fprintf(to, "%s%s", missing++ > 0 ? ", " : "", conf->listen[i].text);
	(void) fputs(", but systemd passed ", to);
	for (size_t i = 0; i < listeners->n; i++) {
		(void) fputs(i > 0 ? ", " : "", to);
		write_listener(to, &listeners->at[i]);
	}
	(void) fprintf(to, "; to apply it: systemctl daemon-reload && systemctl restart %s.socket %s", unit, unit);
	(void) fclose(to);
	if (missing == 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

char **listeners_names(const struct listeners *listeners, size_t *ret_n)
{
	char **names = calloc(ROUTE_NAMES_MAX + 1, sizeof *names);
	size_t n = 0;

	for (size_t i = 0; names && i < listeners->n; i++) {
		const struct listener *listener = &listeners->at[i];

		if (listener->number <= n)	/* they come in order */
			continue;
		names[n] = strdup(listener->name);
		if (names[n++])
			continue;
		while (n > 0)
			free(names[--n]);
		free(names);
		return NULL;
	}
	*ret_n = n;
	return names;
}

void listeners_judge_names(const struct listeners *listeners, const struct conf *conf, struct conf_errors *ret_errors)
{
	struct named_listener *named;

	if (listeners->n == 0 || !listeners->at[0].passed) {
		conf_judge_own_names(conf, ret_errors);
		return;
	}
	named = calloc(listeners->n, sizeof *named);
	for (size_t i = 0; named && i < listeners->n; i++)
		named[i] = (struct named_listener) { listeners->at[i].name, listeners->at[i].text };
	if (named)
		conf_judge_names(conf, named, listeners->n, "systemd passed", ret_errors);
	free(named);
}

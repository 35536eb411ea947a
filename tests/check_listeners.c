/* SPDX-License-Identifier: MIT */
/*
 * Listeners of our own, on loopback and on paths in a directory of the test's; and those that systemd passes, which are
 * taken in a child that has them from descriptor 3 on, as a service has.  What the kernel does rarely (no IPv6, a port
 * that is taken in one family only, no permission) comes from system calls that are wrapped.
 */
#undef NDEBUG
#include "daemon/listeners.h"
#include "daemon/restart.h"

#include "core/cleanup.h"
#include "daemon/alive.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { WORKERS = 3, PASSED_MAX = 4 };

static struct {
	char directory[64], path[96];
	struct conf conf;
	struct conf_listen listen[4];
	struct listeners listeners, other;
	char *why;
	unsigned fds;

	int refuse_bind_family, refuse_bind_times, refuse_bind_with;	/* bind() of this family fails that often */
	int refuse_socket_family;
	mode_t mode_before_chmod;
} f;

int __real_bind(int fd, const struct sockaddr *at, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *at, socklen_t length);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);

int __wrap_bind(int fd, const struct sockaddr *at, socklen_t length)
{
	if (at->sa_family == f.refuse_bind_family && f.refuse_bind_times > 0) {
		f.refuse_bind_times--;
		errno = f.refuse_bind_with;
		return -1;
	}
	return __real_bind(fd, at, length);
}

int __wrap_socket(int family, int type, int protocol)
{
	if (family == f.refuse_socket_family) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

int __wrap_chmod(const char *path, mode_t mode)
{
	struct stat file;

	if (stat(path, &file) == 0)
		f.mode_before_chmod = file.st_mode & 07777;
	return __real_chmod(path, mode);
}

static void setup(void)
{
	memset(&f, 0, sizeof f);
	f.refuse_bind_family = f.refuse_socket_family = -1;
	f.mode_before_chmod = (mode_t) -1;
	(void) snprintf(f.directory, sizeof f.directory, "/tmp/check_listeners.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f.directory));
	(void) snprintf(f.path, sizeof f.path, "%s/http.sock", f.directory);
	f.conf = (struct conf) { .listen = f.listen, .backlog = 16, .listen_is_set = true };
	f.fds = count_open_fds();
}

static void teardown(void)
{
	listeners_close(&f.listeners);
	listeners_close(&f.other);
	free(f.why);
	ck_assert_uint_eq(count_open_fds(), f.fds);
	ck_assert_int_eq(rmdir(f.directory), 0);	/* so nothing was left in it */
}

static void listen_on(const char *text)
{
	struct conf_listen *listen = &f.listen[f.conf.n_listen++];
	const char *why = "";
	int n = address_parse(text, listen->at, &why);

	ck_assert_msg(n == 1, "%s: %s", text, why);
	listen->text = (char *) text;
	listen->n = 1;
}

/* As ":0" is, but on loopback alone. */
static void listen_on_two(const char *first, const char *second)
{
	struct address at[2];
	const char *why;

	listen_on(first);
	ck_assert_int_eq(address_parse(second, at, &why), 1);
	f.listen[f.conf.n_listen - 1].at[1] = at[0];
	f.listen[f.conf.n_listen - 1].n = 2;
}

static void bind_all(unsigned workers)
{
	int r = listeners_bind(&f.listeners, &f.conf, workers, &f.why);

	ck_assert_msg(r == 0, "%s", f.why ? f.why : "no reason");
	ck_assert_ptr_null(f.why);
}

static void assert_refused(int error, const char *why)
{
	ck_assert_int_eq(listeners_bind(&f.listeners, &f.conf, WORKERS, &f.why), error);
	ck_assert_str_eq(f.why, why);
	ck_assert_uint_eq(f.listeners.n, 0);
	ck_assert_ptr_null(f.listeners.at);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof value;

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static unsigned port_of(const struct listener *listener)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &listener->at;	/* the port is where IPv4 has it */

	return ntohs(in6->sin6_port);
}

static bool has_inet6(void)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	cleanup(close_fd) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *) &at, sizeof at) == 0;
}

static const char *text_of(const char *format, const char *what)
{
	static char text[256];

	(void) snprintf(text, sizeof text, format, what);
	return text;
}

/* --- bound by us ------------------------------------------------------------------------------------------------- */

START_TEST(each_worker_has_a_socket_of_its_own)
{
	listen_on("127.0.0.1:0");
	bind_all(WORKERS);
	ck_assert_uint_eq(f.listeners.n, 1);
	ck_assert_uint_eq(f.listeners.at[0].n_fds, WORKERS);
	ck_assert(!f.listeners.at[0].passed);
	for (unsigned i = 0; i < WORKERS; i++)
		ck_assert_int_eq(option(f.listeners.at[0].fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
}
END_TEST

START_TEST(port_0_becomes_the_port_that_the_kernel_chose_for_all_workers)
{
	char text[64];

	listen_on("127.0.0.1:0");
	bind_all(WORKERS);
	ck_assert_uint_ne(port_of(&f.listeners.at[0]), 0);
	(void) snprintf(text, sizeof text, "127.0.0.1:%u", port_of(&f.listeners.at[0]));
	ck_assert_str_eq(f.listeners.at[0].text, text);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct sockaddr_in at;
		socklen_t length = sizeof at;

		ck_assert_int_eq(getsockname(f.listeners.at[0].fds[i], (struct sockaddr *) &at, &length), 0);
		ck_assert_uint_eq(ntohs(at.sin_port), port_of(&f.listeners.at[0]));
	}
}
END_TEST

START_TEST(a_listener_does_not_block_and_is_not_inherited)
{
	listen_on("127.0.0.1:0");
	listen_on(f.path);
	bind_all(WORKERS);
	for (size_t i = 0; i < f.listeners.n; i++)
		for (unsigned k = 0; k < f.listeners.at[i].n_fds; k++) {
			ck_assert(fcntl(f.listeners.at[i].fds[k], F_GETFL) & O_NONBLOCK);
			ck_assert(fcntl(f.listeners.at[i].fds[k], F_GETFD) & FD_CLOEXEC);
		}
}
END_TEST

START_TEST(tcp_has_no_delay_and_defers_accept)
{
	listen_on("127.0.0.1:0");
	bind_all(WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		ck_assert_int_ne(option(f.listeners.at[0].fds[i], IPPROTO_TCP, TCP_NODELAY), 0);
		ck_assert_int_eq(option(f.listeners.at[0].fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT), 1);
	}
}
END_TEST

/* The one thing that SO_REUSEPORT must not bring: _i is how many workers the first daemon has. */
START_TEST(a_second_daemon_on_the_same_address_is_told_so)
{
	char *why = NULL, expected[256];

	listen_on("127.0.0.1:0");
	bind_all((unsigned) _i);
	(void) snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use", f.listeners.at[0].text);
	f.conf.n_listen = 0;
	listen_on(f.listeners.at[0].text);
	ck_assert_int_eq(listeners_bind(&f.other, &f.conf, WORKERS, &why), -EADDRINUSE);
	ck_assert_str_eq(why, expected);
	free(why);
}
END_TEST

START_TEST(an_address_can_be_had_again_at_once_after_it_was_closed)
{
	char text[ADDRESS_TEXT_MAX];

	listen_on("127.0.0.1:0");
	bind_all(WORKERS);
	(void) snprintf(text, sizeof text, "%s", f.listeners.at[0].text);
	listeners_close(&f.listeners);
	f.conf.n_listen = 0;
	listen_on(text);
	bind_all(WORKERS);
	ck_assert_str_eq(f.listeners.at[0].text, text);
}
END_TEST

START_TEST(an_inet6_listener_leaves_inet_to_others)
{
	char text[64];

	if (!has_inet6())
		return;
	listen_on("[::1]:0");
	bind_all(WORKERS);
	(void) snprintf(text, sizeof text, "[::1]:%u", port_of(&f.listeners.at[0]));
	ck_assert_str_eq(f.listeners.at[0].text, text);
	for (unsigned i = 0; i < WORKERS; i++)
		ck_assert_int_eq(option(f.listeners.at[0].fds[i], IPPROTO_IPV6, IPV6_V6ONLY), 1);
}
END_TEST

START_TEST(both_families_get_the_same_port)
{
	if (!has_inet6())
		return;
	listen_on_two("[::1]:0", "127.0.0.1:0");
	bind_all(WORKERS);
	ck_assert_uint_eq(f.listeners.n, 2);
	ck_assert_int_eq(f.listeners.at[0].at.ss_family, AF_INET6);
	ck_assert_int_eq(f.listeners.at[1].at.ss_family, AF_INET);
	ck_assert_uint_ne(port_of(&f.listeners.at[0]), 0);
	ck_assert_uint_eq(port_of(&f.listeners.at[0]), port_of(&f.listeners.at[1]));
}
END_TEST

START_TEST(a_port_that_the_second_family_lacks_is_chosen_again)
{
	if (!has_inet6())
		return;
	f.refuse_bind_family = AF_INET;
	f.refuse_bind_times = 5;
	f.refuse_bind_with = EADDRINUSE;
	listen_on_two("[::1]:0", "127.0.0.1:0");
	bind_all(WORKERS);
	ck_assert_uint_eq(f.listeners.n, 2);
	ck_assert_uint_eq(port_of(&f.listeners.at[0]), port_of(&f.listeners.at[1]));
}
END_TEST

START_TEST(a_port_is_not_chosen_again_for_ever)
{
	if (!has_inet6())
		return;
	f.refuse_bind_family = AF_INET;
	f.refuse_bind_times = 1000;
	f.refuse_bind_with = EADDRINUSE;
	listen_on_two("[::1]:0", "127.0.0.1:0");
	ck_assert_int_eq(listeners_bind(&f.listeners, &f.conf, WORKERS, &f.why), -EADDRINUSE);
	ck_assert_int_gt(f.refuse_bind_times, 900);
	ck_assert_uint_eq(f.listeners.n, 0);
}
END_TEST

START_TEST(a_host_without_inet6_has_both_families_in_one)
{
	f.refuse_socket_family = AF_INET6;
	listen_on_two("[::1]:0", "127.0.0.1:0");
	bind_all(WORKERS);
	ck_assert_uint_eq(f.listeners.n, 1);
	ck_assert_int_eq(f.listeners.at[0].at.ss_family, AF_INET);
	ck_assert_uint_eq(f.listeners.at[0].n_fds, WORKERS);
}
END_TEST

START_TEST(what_helps_is_said_when_a_port_is_not_permitted)
{
	f.refuse_bind_family = AF_INET;
	f.refuse_bind_times = 1;
	f.refuse_bind_with = EACCES;
	listen_on("127.0.0.1:80");
	assert_refused(-EACCES, "cannot listen on 127.0.0.1:80: Permission denied "
		       "(ports below 1024 need CAP_NET_BIND_SERVICE, or reactord.socket)");
}
END_TEST

START_TEST(of_a_path_that_is_not_permitted_no_port_is_spoken)
{
	f.refuse_bind_family = AF_UNIX;
	f.refuse_bind_times = 1;
	f.refuse_bind_with = EACCES;
	listen_on(f.path);
	assert_refused(-EACCES, text_of("cannot listen on %s: Permission denied", f.path));
}
END_TEST

START_TEST(all_are_bound_or_none)
{
	char taken[ADDRESS_TEXT_MAX];

	listen_on("127.0.0.1:0");
	ck_assert_int_eq(listeners_bind(&f.other, &f.conf, WORKERS, &f.why), 0);
	(void) snprintf(taken, sizeof taken, "%s", f.other.at[0].text);
	listen_on(f.path);
	listen_on(taken);
	ck_assert_int_eq(listeners_bind(&f.listeners, &f.conf, WORKERS, &f.why), -EADDRINUSE);
	ck_assert_uint_eq(f.listeners.n, 0);
	ck_assert_uint_eq(count_open_fds(), f.fds + WORKERS);	/* the other's */
	ck_assert_int_eq(access(f.path, F_OK), -1);
}
END_TEST

START_TEST(closing_twice_is_fine)
{
	listen_on("127.0.0.1:0");
	bind_all(WORKERS);
	listeners_close(&f.listeners);
	listeners_close(&f.listeners);
	ck_assert_uint_eq(count_open_fds(), f.fds);
}
END_TEST

/* --- unix sockets ------------------------------------------------------------------------------------------------ */

static mode_t mode_of(const char *path)
{
	struct stat file;

	ck_assert_int_eq(stat(path, &file), 0);
	return file.st_mode & 07777;
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	cleanup(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	return connect(fd, (struct sockaddr *) &at, sizeof at) < 0 ? -errno : 0;
}

/* A socket file that nobody listens on, as a daemon that was killed leaves it. */
static void leave_stale(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	cleanup(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", f.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
}

START_TEST(a_unix_socket_is_one_for_all_workers)
{
	listen_on(f.path);
	bind_all(WORKERS);
	ck_assert_uint_eq(f.listeners.at[0].n_fds, 1);
	ck_assert_str_eq(f.listeners.at[0].text, f.path);
	ck_assert_int_eq(connect_to(f.path), 0);
}
END_TEST

static const struct { mode_t umask, mode; } modes[] = {
	{ 0777, 0666 },		/* the unit's */
	{ 0022, 0660 },
	{ 0, 0600 },		/* bind() alone would make it 0777 */
	{ 0, 0 },
};

START_TEST(a_unix_socket_has_its_mode_and_is_never_wider)
{
	char text[128];
	mode_t before;

	(void) snprintf(text, sizeof text, "%s mode=%04o", f.path, modes[_i].mode);
	listen_on(text);
	before = umask(modes[_i].umask);
	bind_all(1);
	(void) umask(before);
	ck_assert_uint_eq(mode_of(f.path), modes[_i].mode);
	ck_assert_uint_eq(f.mode_before_chmod & ~modes[_i].mode, 0);
}
END_TEST

START_TEST(closing_removes_the_unix_socket)
{
	listen_on(f.path);
	bind_all(1);
	listeners_close(&f.listeners);
	ck_assert_int_eq(access(f.path, F_OK), -1);
}
END_TEST

START_TEST(closing_leaves_the_socket_of_who_took_the_path_over)
{
	listen_on(f.path);
	bind_all(1);
	ck_assert_int_eq(unlink(f.path), 0);
	ck_assert_int_eq(listeners_bind(&f.other, &f.conf, 1, &f.why), 0);
	listeners_close(&f.listeners);
	ck_assert_int_eq(connect_to(f.path), 0);
}
END_TEST

START_TEST(a_stale_unix_socket_is_replaced)
{
	leave_stale();
	ck_assert_int_eq(connect_to(f.path), -ECONNREFUSED);
	listen_on(f.path);
	bind_all(1);
	ck_assert_int_eq(connect_to(f.path), 0);
}
END_TEST

START_TEST(a_living_unix_socket_is_in_use)
{
	listen_on(f.path);
	ck_assert_int_eq(listeners_bind(&f.other, &f.conf, 1, &f.why), 0);
	assert_refused(-EADDRINUSE, text_of("cannot listen on %s: Address already in use", f.path));
	ck_assert_int_eq(connect_to(f.path), 0);
}
END_TEST

/* connect() says EAGAIN then, which is not what a dead one says. */
START_TEST(a_living_unix_socket_with_a_full_backlog_is_in_use)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fds[8], n = 0;

	f.conf.backlog = 1;
	listen_on(f.path);
	ck_assert_int_eq(listeners_bind(&f.other, &f.conf, 1, &f.why), 0);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", f.path);
	do {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(fds[n++], 0);
	} while (n < 8 && connect(fds[n - 1], (struct sockaddr *) &at, sizeof at) == 0);
	ck_assert_int_eq(errno, EAGAIN);
	assert_refused(-EADDRINUSE, text_of("cannot listen on %s: Address already in use", f.path));
	ck_assert_int_eq(access(f.path, F_OK), 0);
	while (n > 0)
		(void) close(fds[--n]);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_never_removed)
{
	cleanup(close_fd) int fd = open(f.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	listen_on(f.path);
	assert_refused(-ENOTSOCK, text_of("cannot listen on %s: Address already in use "
					  "(what is there is no socket, and is not removed)", f.path));
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

/* What it points to may be a stale socket of somebody else. */
START_TEST(a_symbolic_link_is_never_removed)
{
	ck_assert_int_eq(symlink("/nonexistent/http.sock", f.path), 0);
	listen_on(f.path);
	ck_assert_int_lt(listeners_bind(&f.listeners, &f.conf, 1, &f.why), 0);
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_named)
{
	listen_on("/nonexistent/http.sock mode=0660");
	assert_refused(-ENOENT, "cannot listen on /nonexistent/http.sock: No such file or directory");
}
END_TEST

/* --- passed by systemd ------------------------------------------------------------------------------------------- */

struct taken {			/* shared with the child */
	int result;
	size_t n;
	char why[256];
	bool variables_left;
	int journal_fd, notify_fd, handover_fd, alive_fd;
	int handover_fd_after, alive_fd_after;	/* listeners_close() */
	unsigned closed;	/* of the descriptors that were passed, after a failure or listeners_close */
	struct {
		char name[32], text[ADDRESS_TEXT_MAX];
		int fd;
		unsigned n_fds;
		bool passed, nonblocking, close_on_exec, no_delay;
	} at[PASSED_MAX];
};

/* Everything that the child may do wrong ends it with 9. */
static void take_in_child(struct taken *ret, const int *fds, int n, const char *names, bool for_us)
{
	char number[16];

	for (int i = 0; i < n; i++) {
		int high = fcntl(fds[i], F_DUPFD, 100);

		if (high < 0)
			_exit(9);
		((int *) fds)[i] = high;
	}
	for (int i = 0; i < n; i++)
		if (dup2(fds[i], 3 + i) < 0)
			_exit(9);
	(void) snprintf(number, sizeof number, "%d", n);
	(void) setenv("LISTEN_FDS", number, 1);
	(void) snprintf(number, sizeof number, "%ld", (long) getpid() + (for_us ? 0 : 1));
	(void) setenv("LISTEN_PID", number, 1);
	(void) setenv("LISTEN_FDNAMES", names, 1);

	ret->result = listeners_take_passed(&f.listeners, &f.why);
	(void) snprintf(ret->why, sizeof ret->why, "%s", f.why ? f.why : "");
	ret->variables_left = getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES");
	ret->journal_fd = journal_descriptor();
	ret->notify_fd = notify_descriptor();
	ret->handover_fd = f.listeners.handover_fd;
	ret->alive_fd = f.listeners.alive_fd;
	ret->n = f.listeners.n;
	for (size_t i = 0; i < f.listeners.n; i++) {
		const struct listener *listener = &f.listeners.at[i];
		int value = 0;
		socklen_t length = sizeof value;

		(void) snprintf(ret->at[i].name, sizeof ret->at[i].name, "%s", listener->name);
		(void) snprintf(ret->at[i].text, sizeof ret->at[i].text, "%s", listener->text);
		ret->at[i].fd = listener->fds[0];
		ret->at[i].n_fds = listener->n_fds;
		ret->at[i].passed = listener->passed;
		ret->at[i].nonblocking = fcntl(listener->fds[0], F_GETFL) & O_NONBLOCK;
		ret->at[i].close_on_exec = fcntl(listener->fds[0], F_GETFD) & FD_CLOEXEC;
		(void) getsockopt(listener->fds[0], IPPROTO_TCP, TCP_NODELAY, &value, &length);
		ret->at[i].no_delay = value;
	}
	listeners_close(&f.listeners);
	ret->handover_fd_after = f.listeners.handover_fd;
	ret->alive_fd_after = f.listeners.alive_fd;
	free(f.why);
	for (int i = 0; i < n; i++)
		ret->closed += fcntl(3 + i, F_GETFD) < 0;
	_exit(0);
}

static struct taken *take(const int *fds, int n, const char *names, bool for_us)
{
	static struct taken taken;
	struct taken *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	ck_assert_ptr_ne(shared, MAP_FAILED);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		take_in_child(shared, (int[PASSED_MAX]) { fds[0], n > 1 ? fds[1] : -1 }, n, names, for_us);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	taken = *shared;
	(void) munmap(shared, sizeof *shared);
	return &taken;
}

/* As systemd makes it: it blocks. */
static int passed_inet(bool listens, int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	if (listens)
		ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

static int passed_unix(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s", f.path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

START_TEST(without_systemd_nothing_is_passed)
{
	(void) unsetenv("LISTEN_FDS");
	ck_assert_int_eq(listeners_take_passed(&f.listeners, &f.why), 0);
	ck_assert_uint_eq(f.listeners.n, 0);
	ck_assert_ptr_null(f.why);
}
END_TEST

START_TEST(what_is_passed_is_taken_with_its_name_and_address)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), passed_unix() };
	struct taken *taken = take(fds, 2, "http:local", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 2);
	ck_assert_uint_eq(taken->n, 2);
	ck_assert_int_eq(taken->at[0].fd, 3);
	ck_assert_int_eq(taken->at[1].fd, 4);
	ck_assert_str_eq(taken->at[0].name, "http");
	ck_assert_str_eq(taken->at[1].name, "local");
	ck_assert_int_eq(strncmp(taken->at[0].text, "127.0.0.1:", 10), 0);
	ck_assert_str_eq(taken->at[1].text, f.path);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(taken->at[i].n_fds, 1);
		ck_assert(taken->at[i].passed);
	}
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

/* systemd clears O_NONBLOCK at each start, and a child of ours must not get them. */
START_TEST(what_is_passed_does_not_block_and_is_not_inherited)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), -1 };
	struct taken *taken = take(fds, 1, "http", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 1);
	ck_assert(taken->at[0].nonblocking);
	ck_assert(taken->at[0].close_on_exec);
	ck_assert(taken->at[0].no_delay);
	ck_assert(!taken->variables_left);
}
END_TEST

/* A name has no colon; anything else that is printed it may have. */
START_TEST(what_the_program_before_had_is_taken_with_its_names)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), passed_unix() };
	char text[64];

	(void) snprintf(text, sizeof text, "%d:a, b:%d:http", fds[0], fds[1]);
	ck_assert_int_eq(setenv(RESTART_LISTENERS, text, 1), 0);
	ck_assert_int_eq(listeners_take_passed(&f.listeners, &f.why), 2);
	ck_assert_str_eq(f.listeners.at[0].name, "a, b");
	ck_assert_int_eq(f.listeners.at[0].fds[0], fds[0]);
	ck_assert_str_eq(f.listeners.at[1].name, "http");
	ck_assert_int_eq(f.listeners.at[1].fds[0], fds[1]);
	ck_assert(f.listeners.at[0].passed && f.listeners.at[1].passed);
	ck_assert(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	ck_assert_ptr_null(getenv(RESTART_LISTENERS));
	listeners_close(&f.listeners);
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

START_TEST(what_leads_to_the_journal_and_to_systemd_is_taken_by_name)
{
	int journal[2], notify[2];
	struct taken *taken;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, journal), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, notify), 0);
	taken = take((int[]) { journal[0], notify[0] }, 2, "journal:notify", true);
	close_pair(journal);
	close_pair(notify);
	ck_assert_int_eq(taken->result, 0);
	ck_assert_int_eq(taken->journal_fd, 3);
	ck_assert_int_eq(taken->notify_fd, 4);
	ck_assert_uint_eq(taken->closed, 0);
}
END_TEST

/* What the process before has left in systemd's store comes in one list with the listeners. */
START_TEST(what_was_stored_is_told_from_listeners)
{
	int ends[2], fds[2];
	struct taken *taken;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fds[0] = memfd_create("page", MFD_CLOEXEC);
	fds[1] = ends[0];
	taken = take(fds, 2, ALIVE_NAME ":" RESTART_NAME, true);
	ck_assert_int_eq(taken->result, 0);
	ck_assert_str_eq(taken->why, "");
	ck_assert_int_eq(taken->alive_fd, 3);
	ck_assert_int_eq(taken->handover_fd, 4);
	ck_assert_int_eq(taken->handover_fd_after, -1);
	ck_assert_int_eq(taken->alive_fd_after, -1);
	ck_assert_int_eq(close(fds[0]), 0);
	close_pair(ends);
}
END_TEST

START_TEST(a_listener_that_is_called_alive_or_handover_is_a_listener)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), passed_unix() };
	struct taken *taken = take(fds, 2, ALIVE_NAME ":" RESTART_NAME, true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 2);
	ck_assert_str_eq(taken->at[0].name, "alive");
	ck_assert_str_eq(taken->at[1].name, "handover");
	ck_assert_int_eq(taken->alive_fd, -1);
	ck_assert_int_eq(taken->handover_fd, -1);
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

START_TEST(a_listener_that_is_called_journal_or_notify_is_a_listener)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), passed_unix() };
	struct taken *taken = take(fds, 2, "journal:notify", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 2);
	ck_assert_str_eq(taken->at[0].name, "journal");
	ck_assert_str_eq(taken->at[1].name, "notify");
	ck_assert_int_eq(taken->journal_fd, -1);
	ck_assert_int_eq(taken->notify_fd, -1);
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

START_TEST(a_datagram_socket_that_leads_nowhere_is_refused_whatever_its_name)
{
	int fds[2] = { socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), -1 };
	struct taken *taken = take(fds, 1, "journal", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, -EINVAL);
	ck_assert_int_eq(taken->journal_fd, -1);
}
END_TEST

START_TEST(what_is_passed_to_another_process_is_not_ours)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), -1 };
	struct taken *taken = take(fds, 1, "http", false);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 0);
	ck_assert_uint_eq(taken->n, 0);
}
END_TEST

START_TEST(closing_leaves_the_path_that_systemd_passed)
{
	int fds[2] = { passed_unix(), -1 };
	struct taken *taken = take(fds, 1, "http", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 1);
	ck_assert_uint_eq(taken->closed, 1);
	ck_assert_int_eq(unlink(f.path), 0);
}
END_TEST

static void assert_named_is_not_taken(const char *name, int bad, const char *kind)
{
	char wanted[160], names[64];
	int fds[2] = { passed_inet(true, SOCK_STREAM), bad };
	struct taken *taken;

	(void) snprintf(names, sizeof names, "http:%s", name);
	taken = take(fds, 2, names, true);
	close_pair(fds);
	ck_assert_int_eq(taken->result, -EINVAL);
	(void) snprintf(wanted, sizeof wanted, "descriptor 4 (\"%s\") that systemd passed is %s, and no listening stream "
			"socket", name, kind);
	ck_assert_str_eq(taken->why, wanted);
	ck_assert_uint_eq(taken->n, 0);
	ck_assert_uint_ge(taken->closed, 1);	/* the good one in front of it */
}

static void assert_not_taken(int bad, const char *kind)
{
	assert_named_is_not_taken("stranger", bad, kind);
}

START_TEST(what_could_not_have_been_stored_is_refused_whatever_its_name)
{
	assert_named_is_not_taken(RESTART_NAME, memfd_create("page", MFD_CLOEXEC), "a file");
	assert_named_is_not_taken(RESTART_NAME, passed_inet(false, SOCK_DGRAM), "a datagram socket");
	assert_named_is_not_taken(ALIVE_NAME, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "a sequential-packet socket");
	assert_named_is_not_taken(ALIVE_NAME, open("/dev/null", O_RDONLY | O_CLOEXEC), "a device");
}
END_TEST

START_TEST(a_datagram_socket_is_refused_by_name)
{
	assert_not_taken(passed_inet(false, SOCK_DGRAM), "a datagram socket");
}
END_TEST

START_TEST(a_socket_that_does_not_listen_is_refused_by_name)
{
	assert_not_taken(passed_inet(false, SOCK_STREAM), "a stream socket that does not listen");
}
END_TEST

START_TEST(a_regular_file_is_refused_by_name)
{
	assert_not_taken(memfd_create("stranger", MFD_CLOEXEC), "a file");
}
END_TEST

START_TEST(a_connection_is_refused_by_name)
{
	int pair[2];

	open_pair(pair);
	assert_not_taken(pair[0], "a connection");
	(void) close(pair[1]);
}
END_TEST

START_TEST(a_fifo_is_refused_by_name)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	assert_not_taken(ends[0], "a FIFO");
	(void) close(ends[1]);
}
END_TEST

START_TEST(a_sequential_packet_socket_is_refused_by_name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *) &at, sizeof at.sun_family), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	assert_not_taken(fd, "a sequential-packet socket");
}
END_TEST

START_TEST(a_directory_and_a_device_are_refused_by_name)
{
	assert_not_taken(open("/", O_RDONLY | O_CLOEXEC), "a directory");
	assert_not_taken(open("/dev/null", O_RDONLY | O_CLOEXEC), "a device");
}
END_TEST

/* ---- Names ---- */

START_TEST(listeners_of_one_name_have_one_number)
{
	char **names;
	size_t n;

	listen_on("127.0.0.1:0");
	listen_on("127.0.0.1:0 name=admin");
	listen_on("127.0.0.1:0 name=http");
	listen_on("127.0.0.1:0 name=other");
	bind_all(1);
	ck_assert_uint_eq(f.listeners.at[0].number, 1);
	ck_assert_uint_eq(f.listeners.at[1].number, 2);
	ck_assert_uint_eq(f.listeners.at[2].number, 1);
	ck_assert_uint_eq(f.listeners.at[3].number, 3);
	names = listeners_names(&f.listeners, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(names[0], "http");
	ck_assert_str_eq(names[1], "admin");
	ck_assert_str_eq(names[2], "other");
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
END_TEST

/* As by who knows no LISTEN_FDNAMES=. */
START_TEST(what_is_passed_without_a_name_has_the_usual_one)
{
	int fds[2] = { passed_inet(true, SOCK_STREAM), passed_inet(true, SOCK_STREAM) };
	struct taken *taken = take(fds, 2, ":unknown", true);

	close_pair(fds);
	ck_assert_int_eq(taken->result, 2);
	ck_assert_str_eq(taken->at[0].name, "http");
	ck_assert_str_eq(taken->at[1].name, "http");
}
END_TEST

/* --- what was passed against what was configured ----------------------------------------------------------------- */

/* Stands for what systemd passed; it is not bound. */
static void pretend_passed(const char *text)
{
	static struct listener passed[PASSED_MAX];
	struct listener *listener = &passed[f.other.n];
	static struct address parsed[PASSED_MAX][2];
	struct address *at = parsed[f.other.n];
	const char *why;

	ck_assert_int_eq(address_parse(text, at, &why), 1);
	*listener = (struct listener) { .at = at[0].at, .length = at[0].length, .name = at[0].name, .passed = true };
	(void) snprintf(listener->text, sizeof listener->text, "%.*s", (int) strcspn(text, " "), text);
	f.other.at = passed;
	f.other.n++;
}

static char *disagree(void)
{
	char *text = listeners_disagree(&f.other, &f.conf, "reactord");

	f.other = (struct listeners) { 0 };
	return text;
}

START_TEST(a_disagreement_names_both_and_the_cure)
{
	cleanup(free_pointer) char *text = NULL;

	listen_on("127.0.0.1:9000");
	pretend_passed("127.0.0.1:8000");
	text = disagree();
	ck_assert_str_eq(text, "server.listen is 127.0.0.1:9000, but systemd passed 127.0.0.1:8000; to apply it: "
			 "systemctl daemon-reload && systemctl restart reactord.socket reactord");
}
END_TEST

START_TEST(only_what_is_missing_is_said_to_be_and_all_that_was_passed)
{
	cleanup(free_pointer) char *text = NULL;

	listen_on("127.0.0.1:8000");
	listen_on("127.0.0.1:9000");
	listen_on("/run/http.sock");
	pretend_passed("127.0.0.1:8000");
	pretend_passed("[::1]:8000");
	text = disagree();
	ck_assert_ptr_nonnull(strstr(text, "server.listen is 127.0.0.1:9000, /run/http.sock, but "
				     "systemd passed 127.0.0.1:8000, [::1]:8000; "));
}
END_TEST

START_TEST(what_was_passed_and_is_configured_agrees)
{
	listen_on("127.0.0.1:8000");
	listen_on("/run/http.sock mode=0600");
	pretend_passed("/run/http.sock");
	pretend_passed("127.0.0.1:8000");
	ck_assert_ptr_null(disagree());
}
END_TEST

/* A socket of [::] without IPV6_V6ONLY serves both. */
START_TEST(one_family_of_two_is_enough_to_agree)
{
	listen_on_two("[::1]:8000", "127.0.0.1:8000");
	pretend_passed("[::1]:8000");
	ck_assert_ptr_null(disagree());
}
END_TEST

/* Which is what the generator's drop-in asks for: then each family is one of its own. */
START_TEST(inet6_alone_is_not_both_families)
{
	cleanup(free_pointer) char *text = NULL;
	cleanup(close_fd) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)	/* the host has no IPv6 */
		return;
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int) { _i }, sizeof(int)), 0);
	listen_on_two("[::1]:8000", "127.0.0.1:8000");
	pretend_passed("[::1]:8000");
	f.other.at[0].fds = &fd;
	f.other.at[0].n_fds = 1;
	text = disagree();
	if (_i)
		ck_assert_ptr_nonnull(text);
	else
		ck_assert_ptr_null(text);
}
END_TEST

START_TEST(a_name_that_is_another_disagrees_where_one_is_set)
{
	cleanup(free_pointer) char *text = NULL;

	listen_on("127.0.0.1:8000");
	listen_on("127.0.0.1:8001 name=admin");
	pretend_passed("127.0.0.1:8000 name=theirs");
	pretend_passed("127.0.0.1:8001");
	text = disagree();
	ck_assert_ptr_nonnull(strstr(text, "server.listen is 127.0.0.1:8001 name=admin, but systemd passed 127.0.0.1:8000 "
				     "name=theirs, 127.0.0.1:8001; "));
}
END_TEST

START_TEST(an_address_that_was_not_set_disagrees_with_nothing)
{
	listen_on("127.0.0.1:8000");
	f.conf.listen_is_set = false;
	pretend_passed("127.0.0.1:9000");
	ck_assert_ptr_null(disagree());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listeners");
	TCase *bound = tcase_create("bound"), *local = tcase_create("unix"), *passed = tcase_create("passed");
	TCase *agree = tcase_create("agree");

	tcase_add_checked_fixture(bound, setup, teardown);
	tcase_add_test(bound, each_worker_has_a_socket_of_its_own);
	tcase_add_test(bound, port_0_becomes_the_port_that_the_kernel_chose_for_all_workers);
	tcase_add_test(bound, a_listener_does_not_block_and_is_not_inherited);
	tcase_add_test(bound, tcp_has_no_delay_and_defers_accept);
	tcase_add_loop_test(bound, a_second_daemon_on_the_same_address_is_told_so, 1, WORKERS + 1);
	tcase_add_test(bound, an_address_can_be_had_again_at_once_after_it_was_closed);
	tcase_add_test(bound, an_inet6_listener_leaves_inet_to_others);
	tcase_add_test(bound, both_families_get_the_same_port);
	tcase_add_test(bound, a_port_that_the_second_family_lacks_is_chosen_again);
	tcase_add_test(bound, a_port_is_not_chosen_again_for_ever);
	tcase_add_test(bound, a_host_without_inet6_has_both_families_in_one);
	tcase_add_test(bound, what_helps_is_said_when_a_port_is_not_permitted);
	tcase_add_test(bound, of_a_path_that_is_not_permitted_no_port_is_spoken);
	tcase_add_test(bound, all_are_bound_or_none);
	tcase_add_test(bound, closing_twice_is_fine);
	suite_add_tcase(suite, bound);

	tcase_add_checked_fixture(local, setup, teardown);
	tcase_add_test(local, a_unix_socket_is_one_for_all_workers);
	tcase_add_loop_test(local, a_unix_socket_has_its_mode_and_is_never_wider, 0,
			    (int) (sizeof modes / sizeof *modes));
	tcase_add_test(local, closing_removes_the_unix_socket);
	tcase_add_test(local, closing_leaves_the_socket_of_who_took_the_path_over);
	tcase_add_test(local, a_stale_unix_socket_is_replaced);
	tcase_add_test(local, a_living_unix_socket_is_in_use);
	tcase_add_test(local, a_living_unix_socket_with_a_full_backlog_is_in_use);
	tcase_add_test(local, a_file_that_is_no_socket_is_never_removed);
	tcase_add_test(local, a_symbolic_link_is_never_removed);
	tcase_add_test(local, a_directory_that_is_not_there_is_named);
	suite_add_tcase(suite, local);

	tcase_add_checked_fixture(passed, setup, teardown);
	tcase_add_test(passed, without_systemd_nothing_is_passed);
	tcase_add_test(passed, what_was_stored_is_told_from_listeners);
	tcase_add_test(passed, a_listener_that_is_called_alive_or_handover_is_a_listener);
	tcase_add_test(passed, what_is_passed_is_taken_with_its_name_and_address);
	tcase_add_test(passed, what_is_passed_does_not_block_and_is_not_inherited);
	tcase_add_test(passed, what_the_program_before_had_is_taken_with_its_names);
	tcase_add_test(passed, what_leads_to_the_journal_and_to_systemd_is_taken_by_name);
	tcase_add_test(passed, a_listener_that_is_called_journal_or_notify_is_a_listener);
	tcase_add_test(passed, a_datagram_socket_that_leads_nowhere_is_refused_whatever_its_name);
	tcase_add_test(passed, what_is_passed_to_another_process_is_not_ours);
	tcase_add_test(passed, closing_leaves_the_path_that_systemd_passed);
	tcase_add_test(passed, what_could_not_have_been_stored_is_refused_whatever_its_name);
	tcase_add_test(passed, a_datagram_socket_is_refused_by_name);
	tcase_add_test(passed, a_socket_that_does_not_listen_is_refused_by_name);
	tcase_add_test(passed, a_regular_file_is_refused_by_name);
	tcase_add_test(passed, a_connection_is_refused_by_name);
	tcase_add_test(passed, a_fifo_is_refused_by_name);
	tcase_add_test(passed, a_sequential_packet_socket_is_refused_by_name);
	tcase_add_test(passed, a_directory_and_a_device_are_refused_by_name);
	tcase_add_test(passed, what_is_passed_without_a_name_has_the_usual_one);
	tcase_add_test(bound, listeners_of_one_name_have_one_number);
	suite_add_tcase(suite, passed);

	tcase_add_checked_fixture(agree, setup, teardown);
	tcase_add_test(agree, a_disagreement_names_both_and_the_cure);
	tcase_add_test(agree, a_name_that_is_another_disagrees_where_one_is_set);
	tcase_add_test(agree, only_what_is_missing_is_said_to_be_and_all_that_was_passed);
	tcase_add_test(agree, what_was_passed_and_is_configured_agrees);
	tcase_add_test(agree, one_family_of_two_is_enough_to_agree);
	tcase_add_loop_test(agree, inet6_alone_is_not_both_families, 0, 2);
	tcase_add_test(agree, an_address_that_was_not_set_disagrees_with_nothing);
	suite_add_tcase(suite, agree);
	return run_suite(suite);
}

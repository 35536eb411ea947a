/* SPDX-License-Identifier: MIT */
/*
 * What happens to a hand-over once in a thousand years, at will: loaded into the daemon by LD_PRELOAD, it stands between
 * that and the C library.  What it does /etc/reactord-hook says, in words:
 *
 *	die=N		the first N times that systemd would be told that we are ready, the process dies instead; each
 *			leaves a directory in $RUNTIME_DIRECTORY
 *	layout		what is handed over says that its layout is another
 *	format		and its format
 *	garbage		it begins with another message
 *	narrow		its queue has room for five messages or so
 *	limited		with so few open files allowed that a second message of descriptors is one too many
 *
 * So there is nothing in the daemon that only tests need.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FORMAT_AT = 8, LAYOUT_AT = 12, STATE_MAX = 64 };	/* in the state of core/handover.c */

typedef ssize_t sendmsg_fn(int fd, const struct msghdr *message, int flags);
typedef ssize_t pwritev_fn(int fd, const struct iovec *parts, int n, off_t at);
typedef int setsockopt_fn(int fd, int level, int name, const void *value, socklen_t length);

/* Returns what stands behind the word, NULL when it does not occur. */
static const char *order(const char *word)
{
	static char text[128];
	FILE *file = fopen("/etc/reactord-hook", "re");
	size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
	const char *found;

	text[n] = '\0';
	if (file)
		(void) fclose(file);
	found = strstr(text, word);
	return found ? found + strlen(word) : NULL;
}

static int is_to_die(void)
{
	const char *times = order("die=");
	const char *directory = getenv("RUNTIME_DIRECTORY");
	char path[256];

	for (int i = 1; times && directory && i <= atoi(times); i++) {
		(void) snprintf(path, sizeof path, "%s/died-%d", directory, i);
		if (mkdir(path, 0755) == 0)
			return 1;
	}
	return 0;
}

static int begins_with(const struct iovec *part, const char *text)
{
	return part->iov_len >= strlen(text) && memcmp(part->iov_base, text, strlen(text)) == 0;
}

static ssize_t send_limited(sendmsg_fn *next, int fd, const struct msghdr *message, int flags)
{
	struct rlimit limit, low;
	ssize_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		abort();
	low = limit;
	low.rlim_cur = 16;
	if (setrlimit(RLIMIT_NOFILE, &low) < 0)
		abort();
	n = next(fd, message, flags);
	(void) setrlimit(RLIMIT_NOFILE, &limit);
	return n;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	sendmsg_fn *next = (sendmsg_fn *) dlsym(RTLD_NEXT, "sendmsg");
	const struct iovec *first = message->msg_iov;

	if (message->msg_iovlen > 0 && begins_with(first, "READY=1") && is_to_die())
		_exit(7);
	if (message->msg_iovlen == 1 && first->iov_len == 1 && begins_with(first, "S") && order("garbage")) {
		struct iovec other = { (char[]) { 'X' }, 1 };
		struct msghdr changed = *message;

		changed.msg_iov = &other;
		return next(fd, &changed, flags);
	}
	if (message->msg_iovlen == 1 && first->iov_len == 1 && begins_with(first, "D") && order("limited"))
		return send_limited(next, fd, message, flags);
	return next(fd, message, flags);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	pwritev_fn *next = (pwritev_fn *) dlsym(RTLD_NEXT, "pwritev");
	char state[STATE_MAX];
	struct iovec other = { state, parts->iov_len };

	if (at != 0 || n != 1 || parts->iov_len > sizeof state || !begins_with(parts, "handover"))
		return next(fd, parts, n, at);
	memcpy(state, parts->iov_base, parts->iov_len);
	state[FORMAT_AT] = (char) (state[FORMAT_AT] + !!order("format"));
	state[LAYOUT_AT] = (char) (state[LAYOUT_AT] + !!order("layout"));
	return next(fd, &other, 1, at);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	setsockopt_fn *next = (setsockopt_fn *) dlsym(RTLD_NEXT, "setsockopt");
	int small = 1;

	if (level == SOL_SOCKET && name == SO_SNDBUF && order("narrow"))
		return next(fd, level, name, &small, sizeof small);
	return next(fd, level, name, value, length);
}

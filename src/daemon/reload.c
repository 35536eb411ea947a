/* SPDX-License-Identifier: MIT */
/*
 * A verdict is a file, not a message, because who asks may not be a child, may ask twice, or may be gone before there
 * is an answer; and because the runtime directory is the one place that both can reach in the sandbox.
 */
#include "daemon/reload.h"

#include "core/cleanup.h"
#include "core/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char default_directory[] = "/run/reactord/state";

enum { WAIT_MS = 60 * 1000, LOOK_EVERY_MS = 100 };

uint64_t reload_clock_usec(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* The first, when a drop-in of the unit adds others: systemd writes them as one list.  NULL: there is none. */
static char *runtime_directory(void)
{
	const char *list = getenv("RUNTIME_DIRECTORY");

	return list && *list ? strndup(list, strcspn(list, ":")) : NULL;
}

/* --- the daemon's side ------------------------------------------------------------------------------------------- */

/* One line for each, whatever it holds. */
static void write_told(FILE *to, const char *name, const struct conf_error *error)
{
	cleanup(free_pointer) char *text = conf_error_text(error);

	(void) fprintf(to, "%s=", name);
	for (const char *c = text ? text : "out of memory"; *c; c++)
		(void) fputc(*c == '\n' ? ' ' : *c, to);
	(void) fputc('\n', to);
}

static int write_verdict(FILE *to, uint64_t generation, uint64_t began_usec, bool good, const struct conf_errors *told)
{
	(void) fprintf(to, "pid=%ld\ngeneration=%" PRIu64 "\nbegan_usec=%" PRIu64 "\nresult=%s\n", (long) getpid(),
		       generation, began_usec, good ? "ok" : "refused");
	for (size_t i = 0; told && i < told->n; i++)
		write_told(to, good ? "warning" : "error", &told->at[i]);
	if (fflush(to) != 0 || fchmod(fileno(to), 0644) < 0)	/* the unit's UMask is 0777 */
		return -errno;
	return ferror(to) ? -EIO : 0;	/* what was written before the last part */
}

int reload_publish(uint64_t generation, uint64_t began_usec, bool good, const struct conf_errors *told)
{
	cleanup(free_pointer) char *directory = runtime_directory();
	char path[PATH_MAX], new_path[PATH_MAX];
	FILE *to;
	int r;

	if (!directory)
		return 0;
	if (snprintf(path, sizeof path, "%s/reload", directory) >= (int) sizeof path ||
	    snprintf(new_path, sizeof new_path, "%s/.reload.new", directory) >= (int) sizeof new_path)
		return -ENAMETOOLONG;
	(void) unlink(new_path);	/* of a daemon that died here; it may not be writable */
	to = fopen(new_path, "wxe");
	if (!to)
		return -errno;
	r = write_verdict(to, generation, began_usec, good, told);
	if (fclose(to) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(new_path, path) < 0)
		r = -errno;
	if (r < 0)
		(void) unlink(new_path);
	return r;
}

/* --- the client's side ------------------------------------------------------------------------------------------- */

struct verdict {
	long pid;
	uint64_t generation, began_usec;
	bool good;
	char *told;			/* owned, with free_verdict: errors or warnings, one a line */
};

static void free_verdict(struct verdict *verdict)
{
	free_pointer(&verdict->told);
}

static FILE *open_verdict(const char *directory)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/reload", directory) >= (int) sizeof path)
		return NULL;
	return fopen(path, "re");
}

/* Read once and as a whole: a second look at the path may find the verdict on a later load.  False: there is none. */
static bool read_verdict(const char *directory, struct verdict *ret)
{
	cleanup(free_pointer) char *line = NULL;
	size_t capacity = 0, length;
	FILE *from, *told;

	*ret = (struct verdict) { 0 };
	from = open_verdict(directory);
	if (!from)
		return false;
	told = open_memstream(&ret->told, &length);
	while (getline(&line, &capacity, from) > 0) {
		if (sscanf(line, "pid=%ld", &ret->pid) == 1 ||
		    sscanf(line, "generation=%" SCNu64, &ret->generation) == 1 ||
		    sscanf(line, "began_usec=%" SCNu64, &ret->began_usec) == 1)
			continue;
		if (strcmp(line, "result=ok\n") == 0)
			ret->good = true;
		else if (told && (strncmp(line, "error=", 6) == 0 || strncmp(line, "warning=", 8) == 0))
			(void) fputs(strchr(line, '=') + 1, told);
	}
	if (told)
		(void) fclose(told);
	(void) fclose(from);
	return ret->pid > 0;
}

static int watch_directory(const char *directory)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0 && inotify_add_watch(fd, directory, IN_MOVED_TO) < 0)
		close_fd(&fd);
	return fd;
}

/* Until something moved in the directory; without inotify, or when it misses something, for a moment. */
static void wait_for_change(int watch_fd)
{
	struct pollfd change = { .fd = watch_fd, .events = POLLIN };
	char events[4096];

	(void) poll(&change, 1, LOOK_EVERY_MS);
	(void) !read(watch_fd, events, sizeof events);
}

static int tell(const struct verdict *verdict)
{
	const char *told = verdict->told ? verdict->told : "";

	(void) fputs(told, stderr);
	if (verdict->good) {
		(void) printf("configuration %" PRIu64 " is in force%s\n", verdict->generation,
			      *told ? ", except for what needs a restart" : "");
		return 0;
	}
	(void) fprintf(stderr, "reactord: the new configuration is refused; configuration %" PRIu64 " stays\n",
		       verdict->generation);
	return 1;
}

/* Only a verdict on a load that began after we asked is the answer to what we asked.  -EAGAIN: it is not there. */
static int look_for_verdict(const char *directory, pid_t pid, uint64_t asked_usec)
{
	cleanup(free_verdict) struct verdict verdict = { 0 };

	if (!read_verdict(directory, &verdict) || verdict.pid != pid || verdict.began_usec < asked_usec)
		return -EAGAIN;
	return tell(&verdict);
}

/* Without a pidfd: one that has ended may be there until somebody waits for it. */
static bool is_there(pid_t pid)
{
	char path[64], state = '?';
	FILE *from;

	(void) snprintf(path, sizeof path, "/proc/%ld/stat", (long) pid);
	from = fopen(path, "re");
	if (!from)
		return kill(pid, 0) == 0 || errno != ESRCH;
	(void) !fscanf(from, "%*d (%*[^)]) %c", &state);
	(void) fclose(from);
	return state != 'Z' && state != 'X';
}

static bool lives(pid_t pid, int process_fd)
{
	struct pollfd end = { .fd = process_fd, .events = POLLIN };

	return process_fd < 0 ? is_there(pid) : poll(&end, 1, 0) == 0;
}

/* Whether it lives is asked before the verdict is looked for: what it said before it ended is not missed. */
static int wait_for_verdict(const char *directory, int watch_fd, pid_t pid, int process_fd, uint64_t asked_usec)
{
	uint64_t until_ms = clock_ms() + WAIT_MS;
	bool lived;
	int r;

	do {
		lived = lives(pid, process_fd);
		r = look_for_verdict(directory, pid, asked_usec);
		if (r >= 0)
			return r;
		if (!lived) {
			(void) fprintf(stderr, "reactord: process %ld ended before it said anything\n", (long) pid);
			return 1;
		}
		wait_for_change(watch_fd);
	} while (clock_ms() < until_ms);
	(void) fprintf(stderr, "reactord: process %ld has given no verdict within %d s\n", (long) pid, WAIT_MS / 1000);
	return 1;
}

/* Is it the main thread of a reactord that takes the signal from a descriptor?  Almost any other would end of it. */
static const char *unfit_for(int signal, FILE *status)
{
	cleanup(free_pointer) char *line = NULL;
	bool is_reactord = false, blocks = false;
	unsigned long long blocked;
	size_t capacity = 0;

	while (getline(&line, &capacity, status) > 0) {
		if (strcmp(line, "Name:\t" RELOAD_NAME "\n") == 0)
			is_reactord = true;
		else if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			blocks = blocked >> (signal - 1) & 1;
	}
	if (!is_reactord)
		return "is no reactord";
	return blocks ? NULL : signal == SIGHUP ? "takes no SIGHUP" : "does not take the signal";
}

/* The process that is looked at is the one that is signalled, though its number may be another's meanwhile; without
 * pidfds, before Linux 5.3, it is so in all likelihood. */
int reload_signal(pid_t pid, int signal, bool hidden, int *ret_process_fd)
{
	cleanup(close_fd) int process_fd = (int) syscall(SYS_pidfd_open, pid, 0);
	const char *unfit = NULL;
	char path[64];
	FILE *status;

	if (process_fd < 0 && errno != ENOSYS) {
		(void) fprintf(stderr, "reactord: cannot signal process %ld: %s\n", (long) pid, strerror(errno));
		return -errno;
	}
	(void) snprintf(path, sizeof path, "/proc/%ld/status", (long) pid);
	status = fopen(path, "re");
	if (status) {
		unfit = unfit_for(signal, status);
		(void) fclose(status);
	} else if (!hidden) {
		unfit = "cannot be looked at in /proc";
	}
	if (unfit) {
		(void) fprintf(stderr, "reactord: process %ld %s: it is not signalled\n", (long) pid, unfit);
		return -EPERM;
	}
	if ((process_fd < 0 ? kill(pid, signal) : syscall(SYS_pidfd_send_signal, process_fd, signal, NULL, 0)) < 0) {
		(void) fprintf(stderr, "reactord: cannot signal process %ld: %s\n", (long) pid, strerror(errno));
		return -errno;
	}
	*ret_process_fd = take_fd(&process_fd);
	return 0;
}

int reload_request(pid_t pid)
{
	cleanup(free_pointer) char *own_directory = runtime_directory();
	const char *directory = own_directory ? own_directory : default_directory;
	cleanup(free_verdict) struct verdict before = { 0 };
	cleanup(close_fd) int watch_fd = -1, process_fd = -1;
	uint64_t asked_usec;
	bool known;

	known = read_verdict(directory, &before);
	if (pid == 0 && !known) {
		(void) fprintf(stderr, "reactord: %s/reload names no running daemon; say reactord --reload PID\n", directory);
		return 1;
	}
	if (pid == 0)
		pid = (pid_t) before.pid;
	watch_fd = watch_directory(directory);
	asked_usec = reload_clock_usec();
	/* In ExecReload= the unit's ProtectProc= and PrivateUsers= hide the daemon from us, and systemd named it. */
	if (reload_signal(pid, SIGHUP, own_directory != NULL, &process_fd) < 0)
		return 1;
	/* A daemon with a runtime directory wrote to it when it started.  And where the variable is set, as in ExecReload=,
	 * the directory is the daemon's, whatever it could write then. */
	if (!own_directory && (!known || before.pid != pid)) {
		(void) printf("asked process %ld to reload; its verdict is in its log\n", (long) pid);
		return 0;
	}
	return wait_for_verdict(directory, watch_fd, pid, process_fd, asked_usec);
}

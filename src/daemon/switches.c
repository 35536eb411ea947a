/* SPDX-License-Identifier: MIT */
/*
 * A look does everything, whatever the reason for it: it watches, with inotify(7), the directory that each file's path
 * leads to now, and then asks stat(2) for each file.  Watching a directory that is watched already gives the same watch
 * back; so a directory that is new, was replaced, or is reached by another link or below another mount needs no
 * bookkeeping, only that the old watch is removed.  What the events say is of no interest: they are only a reason to
 * look, and that some were lost (IN_Q_OVERFLOW) is one more.
 *
 * A look comes with each event, and after a second in any case.  Rejected:
 * - inotify alone: it watches directories, not paths.  It does not see that a link further up leads elsewhere now, that
 *   something was mounted above, that a directory that was missing is there, or what a link as the last component
 *   names; and it may not be had at all (ENOSPC, EMFILE, a directory that may be searched but not read).
 * - a watch on every directory that a path passes through: it would see some of that sooner, for a walk of our own
 *   through links and "..", and a mount not even then.
 * - the second alone: a script that touches the file and goes on would have to wait for it.
 * - stat() for each request: a system call beside the two that a request costs.
 */
#include "daemon/switches.h"

#include "core/cleanup.h"

#include <assert.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum {
	LOOK_EVERY_MS	= 1000,
	EVENT_BYTES	= 16384,
	READS_MAX	= 64,	/* of events in one look: who fills a directory without end must not keep us from the rest */
	/* And IN_IGNORED, which comes unasked: that the directory was removed, or the watch. */
	WATCHED		= IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR,
};

struct item {
	char *file;		/* owned */
	char *directory;	/* owned: the part of it before the last slash */
	int watch;		/* of the directory, shared by all that are in it; -1: none */
	int error;		/* that was told; 0: none */
};

struct switches {
	_Atomic bool *on;	/* borrowed */
	int fd;			/* owned: inotify's; -1: it cannot be had now */
	uint64_t next_ms;
	size_t n;
	struct item at[];
};

/* --- watching ---------------------------------------------------------------------------------------------------- */

static bool is_used(const struct switches *switches, int watch)
{
	for (size_t i = 0; i < switches->n; i++)
		if (switches->at[i].watch == watch)
			return true;
	return false;
}

/* What fails is tried again at the next look.  A watch whose directory was removed is gone already: that its removal
 * fails then is well, for the kernel counts watches up and does not give this number to another. */
static void watch_all(struct switches *switches)
{
	if (switches->fd < 0 && switches->n > 0)
		switches->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (switches->fd < 0)
		return;
	for (size_t i = 0; i < switches->n; i++) {
		struct item *item = &switches->at[i];
		int before = item->watch;

		item->watch = inotify_add_watch(switches->fd, item->directory, WATCHED);
		if (before >= 0 && !is_used(switches, before))
			(void) inotify_rm_watch(switches->fd, before);
	}
}

static void drain(int fd)
{
	char events[EVENT_BYTES];

	for (int i = 0; i < READS_MAX && read(fd, events, sizeof events) > 0; i++)
		;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

static bool is_there(const char *file, int *ret_error)
{
	struct stat status;

	*ret_error = 0;
	if (stat(file, &status) == 0)
		return true;
	if (errno != ENOENT && errno != ENOTDIR)
		*ret_error = -errno;
	return false;
}

/* The order is what loses nothing: an event after the first step makes the descriptor readable again, and from the second
 * step on there is one for whatever the third may miss. */
void switches_look(struct switches *switches, uint64_t now_ms, switches_fn *fn, void *arg)
{
	if (switches->n == 0)
		return;
	if (switches->fd >= 0)
		drain(switches->fd);
	watch_all(switches);
	for (size_t i = 0; i < switches->n; i++) {
		struct item *item = &switches->at[i];
		int error;
		bool on = is_there(item->file, &error);
		bool was_on = atomic_exchange(&switches->on[i], on);
		bool is_news = on != was_on || (error != 0 && error != item->error);

		item->error = error;
		if (is_news)
			fn(arg, item->file, on, error);
	}
	switches->next_ms = now_ms + LOOK_EVERY_MS;
}

int switches_fd(const struct switches *switches)
{
	return switches->fd;
}

uint64_t switches_next_ms(const struct switches *switches)
{
	return switches->next_ms;
}

/* --- beginning and end ------------------------------------------------------------------------------------------- */

static int add(struct switches *switches, const char *file)
{
	struct item *item = &switches->at[switches->n++];
	size_t length;

	assert(file[0] == '/');
	length = (size_t) (strrchr(file, '/') - file);
	item->watch = -1;
	item->file = strdup(file);
	item->directory = strndup(file, length > 0 ? length : 1);
	return item->file && item->directory ? 0 : -ENOMEM;
}

/* Nobody can be told yet of a file that cannot be looked at; so the first look, which tells it, is due at once. */
int switches_new(struct switches **ret, const char *const *files, size_t n, _Atomic bool *on)
{
	struct switches *switches = calloc(1, sizeof *switches + n * sizeof switches->at[0]);
	int r = 0;

	if (!switches)
		return -ENOMEM;
	switches->fd = -1;
	switches->on = on;
	switches->next_ms = n > 0 ? 0 : UINT64_MAX;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add(switches, files[i]);
	if (r < 0) {
		switches_free(switches);
		return r;
	}
	watch_all(switches);
	for (size_t i = 0; i < n; i++) {
		int error;

		atomic_store(&on[i], is_there(files[i], &error));
	}
	*ret = switches;
	return 0;
}

struct switches *switches_free(struct switches *switches)
{
	if (!switches)
		return NULL;
	close_fd(&switches->fd);
	for (size_t i = 0; i < switches->n; i++) {
		free(switches->at[i].file);
		free(switches->at[i].directory);
	}
	free(switches);
	return NULL;
}

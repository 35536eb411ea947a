/* SPDX-License-Identifier: MIT */
/*
 * One object, because systemd's store compares every descriptor that it gets with all it has: a thousand cost it half a
 * second, a queue of them costs it nothing.  The bytes are in a memfd, because bytes in the messages would fill the
 * queue with a tenth of the descriptors.
 *
 *	memfd	struct state | the bytes of each, aligned | struct entry of each
 *	queue	'S' + memfd, then 'D' + descriptors, at most 253 of them (SCM_MAX_FD) in a message
 */
#include "core/handover.h"

#include "core/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
	FDS_PER_MESSAGE	= 253,
	QUEUE_BYTES	= 16 * 1024 * 1024,	/* the kernel gives what it allows */
	FORMAT		= 1,
};

struct state {
	char magic[8];
	uint32_t format;
	uint32_t layout;
	uint32_t attempts;
	uint32_t n;
	uint64_t entries;			/* offset of the first */
};

struct entry {
	uint64_t offset, length;
	uint32_t kind, reserved;
};

static const char magic[8] = "handover";

struct handover {
	int state_fd;				/* owned */
	int write_end;				/* owned; -1 before the end */
	uint32_t layout;
	uint64_t length;			/* of the state so far */
	int *fds;				/* owned array, borrowed descriptors */
	struct entry *entries;			/* owned */
	uint32_t n, room;
};

/* --- giving ------------------------------------------------------------------------------------------------------ */

int handover_new(struct handover **ret, uint32_t layout)
{
	struct handover *h = calloc(1, sizeof *h);

	if (!h)
		return -ENOMEM;
	h->layout = layout;
	h->length = sizeof(struct state);
	h->write_end = -1;
	h->state_fd = memfd_create("reactord-handover", MFD_CLOEXEC);
	if (h->state_fd < 0) {
		free(h);
		return -errno;
	}
	*ret = h;
	return 0;
}

struct handover *handover_free(struct handover *h)
{
	if (!h)
		return NULL;
	close_fd(&h->state_fd);
	close_fd(&h->write_end);
	free(h->fds);
	free(h->entries);
	free(h);
	return NULL;
}

static int grow(struct handover *h)
{
	uint32_t room = h->room * 2 + 64;
	struct entry *entries = realloc(h->entries, room * sizeof *entries);
	int *fds;

	if (!entries)
		return -ENOMEM;
	h->entries = entries;
	fds = realloc(h->fds, room * sizeof *fds);
	if (!fds)
		return -ENOMEM;
	h->fds = fds;
	h->room = room;
	return 0;
}

/* To a memfd that has room all is written at once. */
static int write_state(struct handover *h, const struct iovec *parts, int n_parts, uint64_t at, size_t length)
{
	ssize_t n = pwritev(h->state_fd, parts, n_parts, (off_t) at);

	if (n < 0)
		return -errno;
	return (size_t) n == length ? 0 : -ENOSPC;
}

int handover_add(struct handover *h, int fd, uint32_t kind, const struct iovec *parts, int n_parts)
{
	size_t length = 0;
	int r = 0;

	if (h->n == h->room)
		r = grow(h);
	for (int i = 0; i < n_parts; i++)
		length += parts[i].iov_len;
	if (r == 0 && length > 0)
		r = write_state(h, parts, n_parts, h->length, length);
	if (r < 0)
		return r;
	h->fds[h->n] = fd;
	h->entries[h->n++] = (struct entry) { .offset = h->length, .length = length, .kind = kind };
	h->length = (h->length + length + 7) / 8 * 8;
	return 0;
}

/* Never waits: nobody reads. */
static int queue(int to, char what, const int *fds, size_t n)
{
	union {
		char bytes[CMSG_SPACE(FDS_PER_MESSAGE * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { &what, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(n * sizeof *fds),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(n * sizeof *fds);
	memcpy(CMSG_DATA(header), fds, n * sizeof *fds);
	return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int finish_state(struct handover *h)
{
	struct state state = { .format = FORMAT, .layout = h->layout, .n = h->n, .entries = h->length };
	struct iovec head = { &state, sizeof state }, entries = { h->entries, h->n * sizeof *h->entries };
	int r = 0;

	memcpy(state.magic, magic, sizeof magic);
	if (h->n > 0)
		r = write_state(h, &entries, 1, h->length, entries.iov_len);
	return r < 0 ? r : write_state(h, &head, 1, 0, sizeof state);
}

int handover_finish(struct handover *h, int *ret_fd)
{
	cleanup(close_fd) int read_end = -1;
	int size = QUEUE_BYTES;
	int ends[2];
	int r;

	r = finish_state(h);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	read_end = ends[0];
	h->write_end = ends[1];
	(void) setsockopt(h->write_end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	r = queue(h->write_end, 'S', &h->state_fd, 1);
	for (uint32_t i = 0; i < h->n && r == 0; i += FDS_PER_MESSAGE)
		r = queue(h->write_end, 'D', h->fds + i, h->n - i < FDS_PER_MESSAGE ? h->n - i : FDS_PER_MESSAGE);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&read_end);
	return 0;
}

bool handover_is_held(const struct handover *h, int timeout_ms)
{
	struct pollfd end = { .fd = h->write_end };	/* its end is told without being asked for */

	return poll(&end, 1, timeout_ms) >= 0 && !(end.revents & (POLLERR | POLLHUP));
}

/* --- taking ------------------------------------------------------------------------------------------------------ */

struct message {
	char what;
	int fds[FDS_PER_MESSAGE];
	size_t n;			/* fewer than were sent when there is no room for more */
};

/* The next message: 1, 0 at the end, or a negative errno. */
static int peek(int from, struct message *ret)
{
	union {
		char bytes[CMSG_SPACE(FDS_PER_MESSAGE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { &ret->what, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes,
	};
	ssize_t n = recvmsg(from, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	ret->n = 0;
	if (n < 0)
		return errno == EAGAIN ? -EBADMSG : -errno;	/* whoever filled it has not come to its end */
	if (n == 0)
		return 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		ret->n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(ret->fds, CMSG_DATA(header), ret->n * sizeof(int));
	}
	return 1;
}

static void close_all(const struct message *message, size_t from)
{
	for (size_t i = from; i < message->n; i++) {
		int fd = message->fds[i];

		close_fd(&fd);
	}
}

/* Everything in it is checked, though it was made by one of us: perhaps by a younger one. */
static bool is_sound(const struct state *state, size_t length)
{
	const struct entry *entries;

	if (length < sizeof *state || memcmp(state->magic, magic, sizeof magic) != 0 || state->format != FORMAT ||
	    state->entries > length || state->entries % 8 != 0 ||
	    (length - state->entries) / sizeof *entries < state->n)
		return false;
	entries = (const struct entry *) ((const char *) state + state->entries);
	for (uint32_t i = 0; i < state->n; i++)
		if (entries[i].offset % 8 != 0 || entries[i].offset > state->entries ||
		    entries[i].length > state->entries - entries[i].offset)
			return false;
	return true;
}

/* A private copy: what the next taker finds is the count of attempts alone. */
static int take_state(struct handover_taken *taken, int fd)
{
	const struct entry *entries;
	struct state *state;
	struct stat stat;
	uint32_t attempts;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_size < (off_t) sizeof *state)
		return -EBADMSG;
	taken->map_length = (size_t) stat.st_size;
	taken->map = mmap(NULL, taken->map_length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (taken->map == MAP_FAILED) {
		taken->map = NULL;
		return -errno;
	}
	state = taken->map;
	if (!is_sound(state, taken->map_length))
		return -EBADMSG;
	taken->layout = state->layout;
	taken->attempts = state->attempts;
	attempts = state->attempts + 1;
	if (pwrite(fd, &attempts, sizeof attempts, offsetof(struct state, attempts)) < 0)
		return -errno;

	taken->items = calloc(state->n + 1, sizeof *taken->items);
	if (!taken->items)
		return -ENOMEM;
	taken->n = state->n;
	entries = (const struct entry *) ((const char *) state + state->entries);
	for (uint32_t i = 0; i < state->n; i++)
		taken->items[i] = (struct handover_item) {
			.fd = -1, .kind = entries[i].kind, .length = entries[i].length,
			.bytes = (const char *) state + entries[i].offset,
		};
	return 0;
}

/* Without room for a descriptor it is left out, and so are those behind it in its message; the next message begins at its
 * own place. */
static int take_descriptors(struct handover_taken *taken, int from)
{
	struct message message;
	int r;

	for (size_t at = 0; (r = peek(from, &message)) > 0; at += FDS_PER_MESSAGE) {
		size_t n = at < taken->n ? taken->n - at : 0;

		if (message.what != 'D' || message.n > n) {
			close_all(&message, 0);
			return -EBADMSG;
		}
		for (size_t i = 0; i < message.n; i++)
			taken->items[at + i].fd = message.fds[i];
	}
	return r;
}

static int take(struct handover_taken *taken, int fd)
{
	struct message first;
	int zero = 0;
	int r;

	/* It stays with the socket: who took before us has left it at the end. */
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero) < 0)
		return -errno;
	r = peek(fd, &first);
	if (r <= 0)
		return r < 0 ? r : -EBADMSG;
	r = first.what == 'S' && first.n == 1 ? take_state(taken, first.fds[0]) : -EBADMSG;
	close_all(&first, 0);
	return r < 0 ? r : take_descriptors(taken, fd);
}

int handover_take(struct handover_taken *ret, int fd)
{
	int r = take(ret, fd);

	if (r < 0)
		handover_taken_deinit(ret);
	return r;
}

void handover_taken_deinit(struct handover_taken *taken)
{
	for (size_t i = 0; i < taken->n; i++)
		close_fd(&taken->items[i].fd);
	free(taken->items);
	if (taken->map)
		(void) munmap(taken->map, taken->map_length);
	*taken = (struct handover_taken) { 0 };
}

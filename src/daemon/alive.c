/* SPDX-License-Identifier: MIT */
/*
 * Each process has a page of its own, and stores it when it is ready: what dies before that leaves the page of the process
 * before as it was, and a program that became another has no use for its old one.  To go on with the page that was found
 * would save two messages, and would need to know who wrote it.
 */
#include "daemon/alive.h"

#include "core/cleanup.h"
#include "daemon/notify.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct alive_page {
	char magic[8];			/* another layout is another magic */
	int32_t pid;
	_Atomic uint32_t ended;		/* in order; or it was told that it is not so */
	_Atomic uint32_t connections;
};

static const char magic[8] = "alive001";

static struct alive_page *map(int fd)
{
	void *page = mmap(NULL, sizeof(struct alive_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

int alive_init(struct alive *alive)
{
	cleanup(close_fd) int fd = memfd_create("reactord-alive", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof *alive->page) < 0)
		return -errno;
	alive->page = map(fd);
	if (!alive->page)
		return -errno;
	memcpy(alive->page->magic, magic, sizeof magic);
	alive->page->pid = getpid();
	alive->fd = take_fd(&fd);
	return 0;
}

void alive_deinit(struct alive *alive)
{
	if (alive->page)
		(void) munmap(alive->page, sizeof *alive->page);
	alive->page = NULL;
	close_fd(&alive->fd);
}

_Atomic uint32_t *alive_connections(struct alive *alive)
{
	return alive->page ? &alive->page->connections : NULL;
}

void alive_store(struct alive *alive)
{
	if (alive->fd < 0)
		return;
	(void) notify_remove(ALIVE_NAME);
	(void) notify_store(alive->fd, ALIVE_NAME);
	close_fd(&alive->fd);		/* what is written to the mapping is seen there */
}

void alive_ends(struct alive *alive, bool ends)
{
	if (alive->page)
		atomic_store(&alive->page->ended, ends);
}

bool alive_was_killed(int fd_, pid_t *ret_pid, uint32_t *ret_connections)
{
	cleanup(close_fd) int fd = fd_;
	struct alive_page *page;
	struct stat stat;
	bool killed;

	if (fd < 0 || fstat(fd, &stat) < 0 || stat.st_size != sizeof *page)
		return false;
	page = map(fd);
	if (!page)
		return false;
	killed = memcmp(page->magic, magic, sizeof magic) == 0 && !atomic_exchange(&page->ended, 1);
	if (killed) {
		*ret_pid = page->pid;
		*ret_connections = atomic_load(&page->connections);
	}
	(void) munmap(page, sizeof *page);
	return killed;
}

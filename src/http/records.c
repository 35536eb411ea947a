/* SPDX-License-Identifier: MIT */
/*
 * Every slot has its place for left-over bytes in the address space, and memory only while there are any.  An allocator
 * of blocks would need less address space, of which there is plenty, and a rule for who gets what, which there
 * is none of here.  Pages of a shared mapping are given back by MADV_REMOVE; MADV_DONTNEED would free nothing.
 */
#include "http/records.h"

#include "core/cleanup.h"

#include <assert.h>
#include <sys/mman.h>

enum { LARGEST_PAGE = 64 * 1024, SPILL = RECORDS_INPUT_MAX + RECORDS_OUTPUT_MAX + RECORDS_KEPT_MAX };

static_assert(sizeof(struct connection) <= 64, "a record is one cache line");
static_assert(SPILL % LARGEST_PAGE == 0, "spills begin at a page");

static size_t round_up(size_t n)
{
	size_t to = LARGEST_PAGE;

	return (n + to - 1) / to * to;
}

int records_init(struct records *records, uint32_t slots)
{
	size_t connections = round_up(slots * sizeof(struct connection));
	size_t timers = round_up(slots * sizeof(struct timer));
	size_t buffers = round_up(RECORDS_INPUT_MAX + RECORDS_OUTPUT_MAX);

	*records = (struct records) { .fd = -1, .slots = slots };
	records->length = connections + timers + buffers + (size_t) slots * SPILL;
	records->fd = memfd_create("reactord-records", MFD_CLOEXEC);
	if (records->fd < 0 || ftruncate(records->fd, (off_t) records->length) < 0)
		goto fail;
	records->base = mmap(NULL, records->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			     records->fd, 0);
	if (records->base == MAP_FAILED) {
		records->base = NULL;
		goto fail;
	}
	records->connections = (struct connection *) records->base;
	records->timers = (struct timer *) (records->base + connections);
	records->input = records->base + connections + timers;
	records->output = records->input + RECORDS_INPUT_MAX;
	records->spills = records->base + connections + timers + buffers;
	/* A core dump would bring every hole of it into being. */
	(void) madvise(records->spills, (size_t) slots * SPILL, MADV_DONTDUMP);
	return 0;
fail:
	close_fd(&records->fd);
	return -errno;
}

void records_deinit(struct records *records)
{
	if (records->base)
		(void) munmap(records->base, records->length);
	if (records->length > 0)
		close_fd(&records->fd);
	*records = (struct records) { .fd = -1 };
}

char *records_spilled_input(struct records *records, uint32_t slot)
{
	return records->spills + (size_t) slot * SPILL;
}

char *records_spilled_output(struct records *records, uint32_t slot)
{
	return records_spilled_input(records, slot) + RECORDS_INPUT_MAX;
}

char *records_kept(struct records *records, uint32_t slot)
{
	return records_spilled_output(records, slot) + RECORDS_OUTPUT_MAX;
}

void records_free_spill(struct records *records, uint32_t slot)
{
	(void) madvise(records_spilled_input(records, slot), SPILL, MADV_REMOVE);
}

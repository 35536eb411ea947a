/* SPDX-License-Identifier: MIT */
/*
 * Every slot has its place for left-over bytes in the address space, and memory only while there are any.  An allocator
 * of blocks would need less address space, of which there is plenty, and a rule for who gets what, which there
 * is none of here.  Pages of a shared mapping are given back by MADV_REMOVE; MADV_DONTNEED would free nothing.
 */
#include "http/records.h"

#include "core/cleanup.h"
#include "core/pages.h"

#include <assert.h>

enum { LARGEST_PAGE = 64 * 1024, SPILL = RECORDS_INPUT_MAX + RECORDS_OUTPUT_MAX + RECORDS_KEPT_MAX };

static_assert(sizeof(struct connection) <= 64, "a record is one cache line");
static_assert(SPILL % LARGEST_PAGE == 0, "spills begin at a page");

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static size_t connections_bytes(uint32_t slots)
{
	return round_up(slots * sizeof(struct connection), LARGEST_PAGE);
}

static size_t timers_bytes(uint32_t slots)
{
	return round_up(slots * sizeof(struct timer), LARGEST_PAGE);
}

size_t records_bytes(uint32_t slots)
{
	return connections_bytes(slots) + timers_bytes(slots) + round_up(RECORDS_INPUT_MAX + RECORDS_OUTPUT_MAX, LARGEST_PAGE);
}

size_t records_spill_bytes(size_t input, size_t output, size_t kept)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);

	return round_up(input, page) + round_up(output, page) + round_up(kept, page);
}

static_assert(sizeof(size_t) >= 8, "there is address space for what every slot may have");

int records_init(struct records *records, uint32_t slots)
{
	*records = (struct records) { .fd = -1, .slots = slots };
	records->length = records_bytes(slots) + (size_t) slots * SPILL;
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
	records->timers = (struct timer *) (records->base + connections_bytes(slots));
	records->input = (char *) records->timers + timers_bytes(slots);
	records->output = records->input + RECORDS_INPUT_MAX;
	records->spills = records->base + records_bytes(slots);
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

void records_trim(struct records *records, uint32_t slot)
{
	pages_give_back(&records->connections[slot], records->timers, MADV_REMOVE);
	pages_give_back(&records->timers[slot], records->input, MADV_REMOVE);
	pages_give_back(records->input, records->spills, MADV_REMOVE);
}

/* SPDX-License-Identifier: MIT */
/*
 * Slots instead of a map from descriptor to interest: the kernel reuses a descriptor number the moment it is closed,
 * so an event that is already in the channel would find the newcomer.  A generation tells them apart.
 *
 * Freed slots are reused last in, first out (they are warm); slots never used are taken in order, so a table for a
 * million clients costs memory only for as many as there have been at one time, and when they are gone it can be given
 * back.  Their generations are lost with it; so who comes there next begins with the highest of them.
 */
#include "core/registry.h"

#include "core/pages.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

static_assert(sizeof(struct interest) <= 32, "two interests share a cache line");

size_t registry_bytes(uint32_t slots)
{
	return slots * sizeof(struct interest);
}

int registry_init(struct registry *registry, struct poller *poller, uint32_t slots)
{
	void *at;

	at = mmap(NULL, registry_bytes(slots), PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;

	/* id 0 names nothing */
	*registry = (struct registry) { .poller = poller, .at = at, .slots = slots, .free = slots, .first_generation = 1 };
	return 0;
}

void registry_deinit(struct registry *registry)
{
	if (registry->at)
		(void) munmap(registry->at, registry_bytes(registry->slots));
	*registry = (struct registry) { 0 };
}

interest_id registry_id(const struct registry *registry, uint32_t slot)
{
	if (!(registry->at[slot].flags & INTEREST_USED))
		return 0;	/* not what the next one will be called */
	return (interest_id) registry->at[slot].generation << 32 | slot;
}

int registry_add(struct registry *registry, int fd, enum registry_kind kind, interest_id *ret_id)
{
	struct interest *interest;
	uint32_t slot;
	uint32_t generation;

	if (registry->free < registry->slots) {
		slot = registry->free;
		registry->free = registry->at[slot].next;
	} else if (registry->untouched < registry->slots) {
		slot = registry->untouched++;
	} else {
		return -ENOSPC;
	}

	interest = &registry->at[slot];
	generation = interest->generation ? interest->generation : registry->first_generation;
	*interest = (struct interest) { .fd = fd, .generation = generation, .flags = INTEREST_USED };
	if (kind == REGISTRY_ONE_SHOT)
		interest->flags |= INTEREST_ONE_SHOT;
	if (kind == REGISTRY_SHARED)
		interest->flags |= INTEREST_SHARED;
	registry->used++;
	*ret_id = registry_id(registry, slot);
	return 0;
}

static enum poller_trigger trigger_of(const struct interest *interest)
{
	if (interest->flags & INTEREST_ONE_SHOT)
		return POLLER_ONCE;
	return interest->flags & INTEREST_SHARED ? POLLER_EDGE_EXCLUSIVE : POLLER_EDGE;
}

int registry_want(struct registry *registry, interest_id id, uint32_t what)
{
	struct interest *interest = registry_get(registry, id);
	bool standing;
	int r;

	if (!interest || interest->fd < 0)
		return 0;

	standing = !(interest->flags & (INTEREST_ONE_SHOT | INTEREST_SHARED));
	if (standing)
		what |= interest->armed;
	if (what == interest->armed)
		return 0;

	if (!what) {
		r = poller_remove(registry->poller, interest->fd);
		interest->flags &= (uint8_t) ~INTEREST_KNOWN;
		interest->armed = 0;	/* also when the kernel did not have it any more */
	} else if (interest->flags & INTEREST_KNOWN) {
		r = poller_modify(registry->poller, interest->fd, what, trigger_of(interest), id);
	} else {
		r = poller_add(registry->poller, interest->fd, what, trigger_of(interest), id);
		if (r == 0)
			interest->flags |= INTEREST_KNOWN;
	}
	if (r < 0)
		return r;

	interest->armed = (uint8_t) what;
	return 0;
}

void registry_remove(struct registry *registry, interest_id id)
{
	struct interest *interest = registry_get(registry, id);

	if (!interest)
		return;
	/* The descriptor may have a second holder, so closing it alone would not take it out of the poller. */
	if (interest->flags & INTEREST_KNOWN)
		(void) poller_remove(registry->poller, interest->fd);

	if (++interest->generation == 0)	/* that is what memory that was given back says */
		interest->generation = 1;
	interest->fd = -1;
	interest->flags &= INTEREST_AGAIN;
	if (!interest->flags)		/* else its link is in use: the executor releases the slot when it gets there */
		registry_release(registry, interest_slot(id));
}

void registry_release(struct registry *registry, uint32_t slot)
{
	registry->at[slot].next = registry->free;
	registry->free = slot;
	registry->used--;
}

uint32_t registry_trim(struct registry *registry)
{
	uint32_t end = registry->untouched;

	while (end > 0 && !registry->at[end - 1].flags)
		end--;
	for (uint32_t slot = end; slot < registry->untouched; slot++)
		if (registry->at[slot].generation > registry->first_generation)
			registry->first_generation = registry->at[slot].generation;

	registry->free = registry->slots;	/* anew, of those that are left; the first one first, so that the last are free soon */
	for (uint32_t slot = end; slot-- > 0;) {
		if (registry->at[slot].flags)
			continue;
		registry->at[slot].next = registry->free;
		registry->free = slot;
	}
	registry->untouched = end;
	pages_give_back(&registry->at[end], &registry->at[registry->slots], MADV_DONTNEED);
	return end;
}

struct interest *registry_get(struct registry *registry, interest_id id)
{
	uint32_t slot = interest_slot(id);

	assert(slot < registry->slots);
	if (registry->at[slot].generation != id >> 32 || !(registry->at[slot].flags & INTEREST_USED))
		return NULL;
	return &registry->at[slot];
}

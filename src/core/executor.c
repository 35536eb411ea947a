/* SPDX-License-Identifier: MIT */
/*
 * The original kept two maps, of callbacks kept and of callbacks that run once, and looked in the kept one first.
 * Here the callback lives in the interest's slot with a flag that says which of the two it is: the look-up by id is
 * an index, and an interest cannot be in both.
 *
 * In the kernel a standing interest is always armed; await_once disarms in user space only.  What the kernel reports
 * meanwhile stays in the interest's pending bits until it is awaited, so an edge is told exactly once and never lost.
 *
 * What is due wakes by a timerfd, the alarm, as an event that names no interest.  A timeout for each wait is simpler, but
 * has the kernel start and stop a timer for each: 2 % of a lonely client's request.
 */
#include "core/executor.h"

#include "core/cleanup.h"
#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

enum { NONE = UINT32_MAX };

struct run_list {				/* by interest's next */
	uint32_t first, last, length;
	bool has_gone;				/* some on it were forgotten */
};

struct executor {
	struct registry registry;
	struct channel *channel;		/* borrowed */
	struct timers timers;
	struct timer *own_timers;		/* owned, or NULL */
	struct {
		executor_timer_fn *fn;
		void *arg;
	} due[TIMERS_LISTS_MAX];
	struct run_list again, yielded;
	uint64_t now_ms;
	bool more_is_due;			/* maybe: as many ran in the last turn as may */
	int alarm_fd;				/* owned: a timerfd, which ends a wait of the poller */
	uint64_t alarm_ms;			/* when it goes off; UINT64_MAX: it has, or was never set */
};

int executor_new(struct executor **ret, struct poller *poller, struct channel *channel, uint32_t slots,
		 struct timer *timers)
{
	struct executor *ex = calloc(1, sizeof *ex);
	int r;

	if (!ex)
		return -ENOMEM;
	ex->channel = channel;
	ex->again = ex->yielded = (struct run_list) { .first = NONE, .last = NONE };
	ex->now_ms = clock_ms();
	ex->alarm_ms = UINT64_MAX;
	ex->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = ex->alarm_fd < 0 ? -errno : poller_add(poller, ex->alarm_fd, POLLER_READ, POLLER_EDGE, 0);
	if (r < 0)
		goto fail;
	r = registry_init(&ex->registry, poller, slots);
	if (r < 0)
		goto fail;
	if (!timers) {
		timers = ex->own_timers = calloc(slots, sizeof *timers);
		if (!timers) {
			r = -ENOMEM;
			goto fail;
		}
	}
	timers_init(&ex->timers, timers);
	*ret = ex;
	return 0;
fail:
	executor_free(ex);
	return r;
}

struct executor *executor_free(struct executor *ex)
{
	if (!ex)
		return NULL;
	registry_deinit(&ex->registry);
	close_fd(&ex->alarm_fd);
	free(ex->own_timers);
	free(ex);
	return NULL;
}

size_t executor_bytes(uint32_t slots)
{
	return sizeof(struct executor) + registry_bytes(slots);
}

int executor_watch(struct executor *ex, int fd, enum registry_kind kind, interest_id *ret_id)
{
	return registry_add(&ex->registry, fd, kind, ret_id);
}

void executor_forget(struct executor *ex, interest_id id)
{
	struct interest *interest = registry_get(&ex->registry, id);

	if (!interest)
		return;
	if (interest->yields)
		ex->yielded.has_gone = true;
	timers_stop(&ex->timers, interest_slot(id));
	registry_remove(&ex->registry, id);
}

uint32_t executor_trim(struct executor *ex)
{
	return registry_trim(&ex->registry);
}

int executor_fd(struct executor *ex, interest_id id)
{
	struct interest *interest = registry_get(&ex->registry, id);

	return interest ? interest->fd : -1;
}

interest_id executor_id(struct executor *ex, uint32_t slot)
{
	return registry_id(&ex->registry, slot);
}

static void append(struct executor *ex, struct run_list *list, uint32_t slot)
{
	ex->registry.at[slot].next = NONE;
	if (list->last == NONE)
		list->first = slot;
	else
		ex->registry.at[list->last].next = slot;
	list->last = slot;
	list->length++;
}

static void join(struct executor *ex, struct run_list *list, struct interest *interest, interest_id id)
{
	if (interest->flags & INTEREST_AGAIN)
		return;
	interest->flags |= INTEREST_AGAIN;
	append(ex, list, interest_slot(id));
}

void executor_again(struct executor *ex, interest_id id)
{
	struct interest *interest = registry_get(&ex->registry, id);

	if (!interest)
		return;
	interest->flags |= INTEREST_ASKED;
	join(ex, &ex->again, interest, id);
}

void executor_yield(struct executor *ex, interest_id id)
{
	struct interest *interest = registry_get(&ex->registry, id);

	if (!interest)
		return;
	interest->flags |= INTEREST_ASKED;
	if (interest->flags & INTEREST_AGAIN)
		return;
	interest->yields = 1;
	join(ex, &ex->yielded, interest, id);
}

static int await(struct executor *ex, interest_id id, uint32_t what, executor_fn *fn, void *arg, bool keep)
{
	struct interest *interest = registry_get(&ex->registry, id);

	if (!interest)
		return -ENOENT;
	interest->fn = fn;
	interest->arg = arg;
	interest->awaits = what & (POLLER_READ | POLLER_WRITE);
	if (keep)
		interest->flags |= INTEREST_KEEP;
	else
		interest->flags &= (uint8_t) ~INTEREST_KEEP;
	if (interest->pending & (what | POLLER_ERROR))
		join(ex, &ex->again, interest, id);
	return registry_want(&ex->registry, id, what);
}

int executor_await_once(struct executor *ex, interest_id id, uint32_t what, executor_fn *fn, void *arg)
{
	return await(ex, id, what, fn, arg, false);
}

int executor_await_keep(struct executor *ex, interest_id id, uint32_t what, executor_fn *fn, void *arg)
{
	return await(ex, id, what, fn, arg, true);
}

/* Tells the callback what is pending and awaited.  A once-callback is disarmed before it runs, so it may await anew. */
static void run(struct interest *interest, interest_id id)
{
	uint32_t told = interest->pending & (interest->awaits | POLLER_ERROR);

	interest->pending &= (uint8_t) ~told;
	if (interest->flags & INTEREST_NO_MORE)
		told |= POLLER_RDHUP;
	if (!(interest->flags & INTEREST_KEEP))
		interest->awaits = 0;
	interest->fn(interest->arg, id, told);
}

static int deliver(struct executor *ex, const struct event *event)
{
	struct interest *interest = registry_get(&ex->registry, event->id);

	if (!interest)
		return 0;
	interest->pending |= (uint8_t) (event->ready & (POLLER_READ | POLLER_WRITE | POLLER_ERROR));
	if (event->ready & POLLER_RDHUP)
		interest->flags |= INTEREST_NO_MORE;
	if (interest->flags & INTEREST_ONE_SHOT)
		interest->armed = 0;
	if (interest->yields || !interest->fn || !(interest->pending & (interest->awaits | POLLER_ERROR)))
		return 0;
	run(interest, event->id);
	return 1;
}

/* The list of those that yield may be long, and its end far: slots of those that are gone are free in the next turn all the
 * same, as the other list's are. */
static void release_gone(struct executor *ex)
{
	struct run_list *list = &ex->yielded;
	uint32_t slot = list->first;

	*list = (struct run_list) { .first = NONE, .last = NONE };
	while (slot != NONE) {
		struct interest *interest = &ex->registry.at[slot];
		uint32_t next = interest->next;

		if (interest->flags & INTEREST_USED) {
			append(ex, list, slot);
		} else {
			interest->flags = interest->yields = 0;
			registry_release(&ex->registry, slot);
		}
		slot = next;
	}
}

/* What is on the list when this begins, but no more than so many; what joins meanwhile waits for the next turn. */
static int run_list(struct executor *ex, struct run_list *list, uint32_t most)
{
	int ran = 0;

	for (uint32_t n = list->length < most ? list->length : most; n > 0; n--) {
		uint32_t slot = list->first;
		struct interest *interest = &ex->registry.at[slot];
		bool asked = interest->flags & INTEREST_ASKED;

		list->first = interest->next;
		if (list->first == NONE)
			list->last = NONE;
		list->length--;
		interest->yields = 0;
		interest->flags &= (uint8_t) ~(INTEREST_AGAIN | INTEREST_ASKED);
		if (!(interest->flags & INTEREST_USED)) {	/* forgotten while it was on the list */
			registry_release(&ex->registry, slot);
			continue;
		}
		/* What was kept may have been told meanwhile, together with a new event. */
		if (!interest->fn || !(asked || interest->pending & (interest->awaits | POLLER_ERROR)))
			continue;
		run(interest, registry_id(&ex->registry, slot));
		ran++;
	}
	return ran;
}

static int run_due(struct executor *ex)
{
	uint32_t slot;
	unsigned list;
	int ran = 0;

	while (ran < EXECUTOR_DUE_PER_TURN && (slot = timers_take_due(&ex->timers, ex->now_ms, &list)) != TIMERS_NONE) {
		ex->due[list].fn(ex->due[list].arg, registry_id(&ex->registry, slot));
		ran++;
	}
	ex->more_is_due = ran == EXECUTOR_DUE_PER_TURN;
	return ran;
}

/* It is only ever set to go off earlier: timers begin anew with each request, so it usually goes off too early, which costs
 * one turn in a timer's duration. */
static void set_alarm(struct executor *ex)
{
	int timeout_ms = timers_timeout(&ex->timers, ex->now_ms);
	struct itimerspec alarm = { 0 };

	if (ex->alarm_ms <= ex->now_ms + 1)	/* it has gone off, by a clock that may be a little ahead of ours */
		ex->alarm_ms = UINT64_MAX;
	if (timeout_ms < 0 || ex->now_ms + (unsigned) timeout_ms >= ex->alarm_ms)
		return;
	if (timeout_ms == 0)
		timeout_ms = 1;		/* 0 would stop it */
	alarm.it_value.tv_sec = timeout_ms / 1000;
	alarm.it_value.tv_nsec = timeout_ms % 1000 * 1000000L;
	ex->alarm_ms = ex->now_ms + (unsigned) timeout_ms;
	(void) timerfd_settime(ex->alarm_fd, 0, &alarm, NULL);
}

int executor_turn(struct executor *ex)
{
	uint32_t events = channel_length(ex->channel);
	struct event event;
	int ran;

	ex->now_ms = clock_ms();
	if (ex->yielded.has_gone)
		release_gone(ex);
	ran = run_list(ex, &ex->again, UINT32_MAX);
	while (events-- > 0 && channel_take(ex->channel, &event))
		ran += deliver(ex, &event);
	ran += run_list(ex, &ex->yielded, EXECUTOR_YIELDED_PER_TURN);
	ran += run_due(ex);
	set_alarm(ex);
	return ran;
}

bool executor_is_busy(struct executor *ex)
{
	return ex->again.length + ex->yielded.length > 0 || ex->more_is_due;
}

uint64_t executor_now_ms(struct executor *ex)
{
	return ex->now_ms;
}

unsigned executor_add_timer_list(struct executor *ex, uint32_t duration_ms, executor_timer_fn *fn, void *arg)
{
	unsigned list = timers_add_list(&ex->timers, duration_ms);

	ex->due[list].fn = fn;
	ex->due[list].arg = arg;
	return list;
}

void executor_set_duration(struct executor *ex, unsigned list, uint32_t duration_ms)
{
	timers_set_duration(&ex->timers, list, duration_ms);
}

void executor_start_timer(struct executor *ex, interest_id id, unsigned list)
{
	if (registry_get(&ex->registry, id))
		timers_start(&ex->timers, interest_slot(id), list, ex->now_ms);
}

void executor_resume_timer(struct executor *ex, interest_id id, unsigned list, uint64_t since_ms)
{
	if (registry_get(&ex->registry, id))
		timers_resume(&ex->timers, interest_slot(id), list, since_ms);
}

void executor_stop_timer(struct executor *ex, interest_id id)
{
	if (registry_get(&ex->registry, id))
		timers_stop(&ex->timers, interest_slot(id));
}

interest_id executor_oldest(struct executor *ex, unsigned list)
{
	uint32_t slot = timers_oldest(&ex->timers, list);

	return slot == TIMERS_NONE ? 0 : registry_id(&ex->registry, slot);
}

uint64_t executor_newest_ms(struct executor *ex, unsigned list)
{
	return timers_newest_ms(&ex->timers, list);
}

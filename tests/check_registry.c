/* SPDX-License-Identifier: MIT */
/*
 * The registry over a real poller, with every epoll_ctl counted: when the kernel is told is part of the contract.
 * Linked with -Wl,--wrap=epoll_ctl.
 */
#undef NDEBUG
#include "core/registry.h"

#include "fixture.h"

#include <sys/epoll.h>
#include <sys/mman.h>

enum { SLOTS = 4 };

static struct {
	struct poller poller;
	struct registry registry;
	int pair[2];
	unsigned open_fds;
	unsigned calls[4];		/* of epoll_ctl, by operation */
	int control_error;		/* errno that epoll_ctl fails with; 0: the real one is called */
} f;

int __real_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);

int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
	f.calls[operation]++;
	if (f.control_error) {
		errno = f.control_error;
		return -1;
	}
	return __real_epoll_ctl(fd, operation, of, event);
}

static void setup(void)
{
	f.control_error = 0;
	f.open_fds = count_open_fds();
	ck_assert_int_eq(poller_init(&f.poller), 0);
	ck_assert_int_eq(registry_init(&f.registry, &f.poller, SLOTS), 0);
	open_pair(f.pair);
	f.calls[EPOLL_CTL_ADD] = f.calls[EPOLL_CTL_MOD] = f.calls[EPOLL_CTL_DEL] = 0;
}

static void teardown(void)
{
	close_pair(f.pair);
	registry_deinit(&f.registry);
	registry_deinit(&f.registry);	/* twice is fine */
	poller_deinit(&f.poller);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

static interest_id add(int fd, enum registry_kind kind)
{
	interest_id id = 0;

	ck_assert_int_eq(registry_add(&f.registry, fd, kind, &id), 0);
	ck_assert_uint_ne(id, 0);
	return id;
}

/* How often the kernel was told something: additions, modifications, removals. */
static void assert_calls(unsigned added, unsigned modified, unsigned removed)
{
	ck_assert_uint_eq(f.calls[EPOLL_CTL_ADD], added);
	ck_assert_uint_eq(f.calls[EPOLL_CTL_MOD], modified);
	ck_assert_uint_eq(f.calls[EPOLL_CTL_DEL], removed);
}

static uint32_t ready_now(void)
{
	struct event event = { 0 };

	return poller_wait(&f.poller, &event, 1, 0) == 1 ? event.ready : 0;
}

START_TEST(an_interest_is_found_by_its_id)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	ck_assert_ptr_nonnull(registry_get(&f.registry, id));
	ck_assert_int_eq(registry_get(&f.registry, id)->fd, f.pair[0]);
	ck_assert_uint_eq(registry_id(&f.registry, interest_slot(id)), id);
}
END_TEST

START_TEST(the_id_0_names_nothing)
{
	ck_assert_ptr_null(registry_get(&f.registry, 0));
	(void) add(f.pair[0], REGISTRY_STANDING);
	ck_assert_ptr_null(registry_get(&f.registry, 0));
}
END_TEST

START_TEST(a_removed_interest_is_not_found)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	registry_remove(&f.registry, id);
	ck_assert_ptr_null(registry_get(&f.registry, id));
	registry_remove(&f.registry, id);	/* gone already is fine */
	ck_assert_uint_eq(f.registry.used, 0);
}
END_TEST

START_TEST(an_id_never_matches_a_later_interest_in_the_same_slot)
{
	interest_id first = add(f.pair[0], REGISTRY_STANDING), later = 0;

	registry_remove(&f.registry, first);
	for (int i = 0; i < 1000; i++) {
		later = add(f.pair[0], REGISTRY_STANDING);
		ck_assert_uint_eq(interest_slot(later), interest_slot(first));
		ck_assert_ptr_null(registry_get(&f.registry, first));
		registry_remove(&f.registry, later);
	}
}
END_TEST

START_TEST(a_generation_that_wraps_around_leaves_out_0)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	registry_remove(&f.registry, id);
	f.registry.at[interest_slot(id)].generation = UINT32_MAX;
	id = add(f.pair[0], REGISTRY_STANDING);
	ck_assert_ptr_nonnull(registry_get(&f.registry, id));
	registry_remove(&f.registry, id);
	ck_assert_ptr_null(registry_get(&f.registry, 0));
	id = add(f.pair[0], REGISTRY_STANDING);
	ck_assert_uint_eq(id >> 32, 1);
}
END_TEST

/* It would be the id of the next one to come. */
START_TEST(an_empty_slot_has_no_id)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	ck_assert_uint_eq(registry_id(&f.registry, 1), 0);
	registry_remove(&f.registry, id);
	ck_assert_uint_eq(registry_id(&f.registry, interest_slot(id)), 0);
}
END_TEST

START_TEST(a_full_table_says_enospc_and_goes_on)
{
	interest_id ids[SLOTS], id = 12345;

	for (unsigned i = 0; i < SLOTS; i++)
		ids[i] = add(f.pair[0], REGISTRY_STANDING);
	ck_assert_int_eq(registry_add(&f.registry, f.pair[0], REGISTRY_STANDING, &id), -ENOSPC);
	ck_assert_uint_eq(id, 12345);
	registry_remove(&f.registry, ids[2]);
	ck_assert_uint_eq(interest_slot(add(f.pair[0], REGISTRY_STANDING)), 2);
	ck_assert_int_eq(registry_add(&f.registry, f.pair[0], REGISTRY_STANDING, &id), -ENOSPC);
}
END_TEST

START_TEST(the_last_slot_freed_is_the_first_reused)
{
	interest_id a = add(-1, REGISTRY_STANDING), b = add(-1, REGISTRY_STANDING);

	registry_remove(&f.registry, a);
	registry_remove(&f.registry, b);
	ck_assert_uint_eq(interest_slot(add(-1, REGISTRY_STANDING)), interest_slot(b));
	ck_assert_uint_eq(interest_slot(add(-1, REGISTRY_STANDING)), interest_slot(a));
	ck_assert_uint_eq(interest_slot(add(-1, REGISTRY_STANDING)), 2);
}
END_TEST

START_TEST(the_kernel_is_told_at_the_first_want_only)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	assert_calls(0, 0, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	assert_calls(1, 0, 0);
}
END_TEST

START_TEST(a_standing_interest_is_only_ever_widened)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_WRITE), 0);
	assert_calls(1, 1, 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, 0), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ | POLLER_WRITE), 0);
	assert_calls(1, 1, 0);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), POLLER_READ | POLLER_WRITE);
}
END_TEST

START_TEST(a_one_shot_is_silent_until_it_is_wanted_again)
{
	interest_id id = add(f.pair[0], REGISTRY_ONE_SHOT);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), POLLER_READ);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), 0);
	registry_get(&f.registry, id)->armed = 0;	/* as the executor does with each event */
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_uint_eq(ready_now(), POLLER_READ);
	assert_calls(1, 1, 0);
}
END_TEST

START_TEST(a_one_shot_can_be_narrowed_and_taken_away)
{
	interest_id id = add(f.pair[0], REGISTRY_ONE_SHOT);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ | POLLER_WRITE), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_uint_eq(ready_now(), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, 0), 0);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_uint_eq(ready_now(), POLLER_READ);
	assert_calls(2, 1, 1);
}
END_TEST

START_TEST(wanting_nothing_of_a_shared_one_removes_it)
{
	interest_id id = add(f.pair[0], REGISTRY_SHARED);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, 0), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, 0), 0);
	assert_calls(1, 0, 1);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_uint_eq(ready_now(), POLLER_READ);
	assert_calls(2, 0, 1);
}
END_TEST

/* The descriptor stays open, as one does that a second process holds. */
START_TEST(a_removed_interest_is_taken_out_of_the_kernel)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	send_byte(f.pair[1]);
	registry_remove(&f.registry, id);
	ck_assert_uint_eq(ready_now(), 0);
	assert_calls(1, 0, 1);
}
END_TEST

START_TEST(an_interest_that_the_kernel_never_knew_is_removed_without_it)
{
	registry_remove(&f.registry, add(f.pair[0], REGISTRY_STANDING));
	assert_calls(0, 0, 0);
}
END_TEST

START_TEST(an_interest_without_a_descriptor_never_meets_the_kernel)
{
	interest_id id = add(-1, REGISTRY_STANDING);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	registry_remove(&f.registry, id);
	assert_calls(0, 0, 0);
}
END_TEST

START_TEST(wanting_for_an_interest_that_is_gone_does_nothing)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	registry_remove(&f.registry, id);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	assert_calls(0, 0, 0);
}
END_TEST

/* The slot's link is in use while it is on the executor's list: reusing it would tear the list apart. */
START_TEST(a_slot_on_the_again_list_is_not_reused_before_its_release)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING), next;

	registry_get(&f.registry, id)->flags |= INTEREST_AGAIN;
	registry_remove(&f.registry, id);
	ck_assert_ptr_null(registry_get(&f.registry, id));
	next = add(f.pair[0], REGISTRY_STANDING);
	ck_assert_uint_ne(interest_slot(next), interest_slot(id));

	registry_release(&f.registry, interest_slot(id));
	next = add(f.pair[0], REGISTRY_STANDING);
	ck_assert_uint_eq(interest_slot(next), interest_slot(id));
	ck_assert_uint_ne(next, id);
}
END_TEST

START_TEST(a_newcomer_inherits_nothing_from_its_slot)
{
	interest_id id = add(f.pair[0], REGISTRY_ONE_SHOT);
	struct interest *interest = registry_get(&f.registry, id);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	interest->pending = POLLER_READ;
	interest->awaits = POLLER_WRITE;
	interest->arg = interest;
	interest->flags |= INTEREST_NO_MORE | INTEREST_KEEP;
	registry_remove(&f.registry, id);

	interest = registry_get(&f.registry, add(f.pair[1], REGISTRY_STANDING));
	ck_assert_uint_eq(interest->flags, INTEREST_USED);
	ck_assert_uint_eq(interest->pending | interest->awaits | interest->armed, 0);
	ck_assert_ptr_null(interest->arg);
}
END_TEST

START_TEST(a_refusal_of_the_kernel_is_returned_and_can_be_tried_again)
{
	interest_id id = add(f.pair[0], REGISTRY_STANDING);

	f.control_error = ENOMEM;
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), -ENOMEM);
	f.control_error = 0;
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	f.control_error = ENOMEM;
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ | POLLER_WRITE), -ENOMEM);
	f.control_error = 0;
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ | POLLER_WRITE), 0);
	ck_assert_uint_eq(ready_now(), POLLER_WRITE);
}
END_TEST

/* One that the kernel refuses to remove is not there; wanting it again must add it, not believe it armed. */
START_TEST(after_a_removal_that_failed_the_next_want_adds)
{
	interest_id id = add(f.pair[0], REGISTRY_SHARED);

	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	ck_assert_int_eq(poller_remove(&f.poller, f.pair[0]), 0);
	ck_assert_int_eq(registry_want(&f.registry, id, 0), -ENOENT);
	ck_assert_int_eq(registry_want(&f.registry, id, POLLER_READ), 0);
	send_byte(f.pair[1]);
	ck_assert_uint_eq(ready_now(), POLLER_READ);
}
END_TEST

START_TEST(a_large_table_costs_memory_only_as_it_is_used)
{
	struct registry large = { 0 };
	interest_id id;

	ck_assert_int_eq(registry_init(&large, &f.poller, 16u << 20), 0);	/* 512 MiB, if it were touched */
	ck_assert_int_eq(registry_add(&large, -1, REGISTRY_STANDING, &id), 0);
	ck_assert_ptr_nonnull(registry_get(&large, id));
	ck_assert_uint_eq(large.untouched, 1);
	registry_deinit(&large);
}
END_TEST

START_TEST(ids_differ_also_when_a_generation_wraps_around_between_two_trims)
{
	interest_id id = add(-1, REGISTRY_STANDING), next;

	f.registry.at[interest_slot(id)].generation = UINT32_MAX;
	registry_remove(&f.registry, registry_id(&f.registry, interest_slot(id)));
	for (int i = 0; i < 3; i++) {
		id = add(-1, REGISTRY_STANDING);
		registry_remove(&f.registry, id);
		(void) registry_trim(&f.registry);
		next = add(-1, REGISTRY_STANDING);
		ck_assert_uint_eq(interest_slot(next), interest_slot(id));
		ck_assert_uint_ne(next, id);
		registry_remove(&f.registry, next);
	}
}
END_TEST

/* Some pages of interests without a descriptor. */
enum { MANY = 2000, STAY = 3 };

static void fill_table(struct registry *table, interest_id ids[MANY])
{
	ck_assert_int_eq(registry_init(table, &f.poller, MANY), 0);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(registry_add(table, -1, REGISTRY_STANDING, &ids[i]), 0);
}

static size_t resident_pages(const struct registry *table)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE), n = 0;
	unsigned char resident[MANY * sizeof *table->at / 4096 + 1];

	ck_assert_int_eq(mincore(table->at, registry_bytes(MANY), resident), 0);
	for (size_t i = 0; i * page < registry_bytes(MANY); i++)
		n += resident[i] & 1;
	return n;
}

START_TEST(a_table_that_is_trimmed_gives_back_all_behind_the_last_that_stays)
{
	static interest_id ids[MANY];
	struct registry table;

	fill_table(&table, ids);
	ck_assert_uint_gt(resident_pages(&table), 1);
	ck_assert_uint_eq(registry_trim(&table), MANY);
	for (int i = 0; i < MANY; i++)
		if (i != STAY)
			registry_remove(&table, ids[i]);
	ck_assert_uint_eq(registry_trim(&table), STAY + 1);
	ck_assert_uint_eq(resident_pages(&table), 1);
	ck_assert_ptr_nonnull(registry_get(&table, ids[STAY]));
	for (int i = 0; i < MANY - 1; i++)		/* all others can be had again */
		ck_assert_int_eq(registry_add(&table, -1, REGISTRY_STANDING, &ids[i]), 0);
	ck_assert_int_eq(registry_add(&table, -1, REGISTRY_STANDING, &ids[0]), -ENOSPC);
	registry_deinit(&table);
}
END_TEST

START_TEST(after_a_trim_no_id_of_before_is_given_to_another)
{
	static interest_id ids[MANY];
	struct registry table;
	interest_id id;

	fill_table(&table, ids);
	for (int i = 0; i < MANY; i++)
		registry_remove(&table, ids[i]);
	ck_assert_uint_eq(registry_trim(&table), 0);
	for (int i = 0; i < MANY; i++) {
		ck_assert_ptr_null(registry_get(&table, ids[i]));
		ck_assert_int_eq(registry_add(&table, -1, REGISTRY_STANDING, &id), 0);
		ck_assert_uint_eq(interest_slot(id), i);
		ck_assert_uint_gt(id, ids[i]);
		ck_assert_ptr_null(registry_get(&table, ids[i]));
	}
	ck_assert_int_eq(registry_add(&table, -1, REGISTRY_STANDING, &id), -ENOSPC);
	registry_deinit(&table);
}
END_TEST

START_TEST(a_slot_on_the_again_list_is_not_trimmed)
{
	interest_id id = add(-1, REGISTRY_STANDING);

	registry_get(&f.registry, id)->flags |= INTEREST_AGAIN;
	registry_remove(&f.registry, id);
	ck_assert_uint_eq(registry_trim(&f.registry), 1);
	f.registry.at[0].flags = 0;
	registry_release(&f.registry, 0);
	ck_assert_uint_eq(registry_trim(&f.registry), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry");
	TCase *tests = tcase_create("registry");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_interest_is_found_by_its_id);
	tcase_add_test(tests, the_id_0_names_nothing);
	tcase_add_test(tests, a_removed_interest_is_not_found);
	tcase_add_test(tests, an_id_never_matches_a_later_interest_in_the_same_slot);
	tcase_add_test(tests, a_generation_that_wraps_around_leaves_out_0);
	tcase_add_test(tests, ids_differ_also_when_a_generation_wraps_around_between_two_trims);
	tcase_add_test(tests, an_empty_slot_has_no_id);
	tcase_add_test(tests, a_full_table_says_enospc_and_goes_on);
	tcase_add_test(tests, the_last_slot_freed_is_the_first_reused);
	tcase_add_test(tests, the_kernel_is_told_at_the_first_want_only);
	tcase_add_test(tests, a_standing_interest_is_only_ever_widened);
	tcase_add_test(tests, a_one_shot_is_silent_until_it_is_wanted_again);
	tcase_add_test(tests, a_one_shot_can_be_narrowed_and_taken_away);
	tcase_add_test(tests, wanting_nothing_of_a_shared_one_removes_it);
	tcase_add_test(tests, a_removed_interest_is_taken_out_of_the_kernel);
	tcase_add_test(tests, an_interest_that_the_kernel_never_knew_is_removed_without_it);
	tcase_add_test(tests, an_interest_without_a_descriptor_never_meets_the_kernel);
	tcase_add_test(tests, wanting_for_an_interest_that_is_gone_does_nothing);
	tcase_add_test(tests, a_slot_on_the_again_list_is_not_reused_before_its_release);
	tcase_add_test(tests, a_newcomer_inherits_nothing_from_its_slot);
	tcase_add_test(tests, a_refusal_of_the_kernel_is_returned_and_can_be_tried_again);
	tcase_add_test(tests, after_a_removal_that_failed_the_next_want_adds);
	tcase_add_test(tests, a_large_table_costs_memory_only_as_it_is_used);
	tcase_add_test(tests, a_table_that_is_trimmed_gives_back_all_behind_the_last_that_stays);
	tcase_add_test(tests, after_a_trim_no_id_of_before_is_given_to_another);
	tcase_add_test(tests, a_slot_on_the_again_list_is_not_trimmed);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

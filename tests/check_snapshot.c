/* SPDX-License-Identifier: MIT */
/*
 * The image of a configuration's answers: where everything is, that nothing can change it, that a failure leaves
 * nothing behind.  Linked with -Wl,--wrap=mmap: kernels before 6.7 refuse to map what is sealed against writing when
 * the mapping is shared, even if it is read only, and this one refuses it, too.
 */
#undef NDEBUG
#include "http/snapshot.h"

#include "http/variables.h"

#include "fixture.h"

#include <string.h>
#include <sys/mman.h>

static struct {
	unsigned open_fds;
	int mappings_left;		/* mappings of a descriptor that succeed before one fails; -1: all do */
	struct snapshot *snapshot;
} f;

void *__real_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : 0;

	if (seals > 0 && seals & F_SEAL_WRITE && flags & MAP_SHARED) {
		errno = EPERM;
		return MAP_FAILED;
	}
	if (fd >= 0 && f.mappings_left == 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (fd >= 0 && f.mappings_left > 0)
		f.mappings_left--;
	return __real_mmap(at, length, protection, flags, fd, offset);
}

static const struct http_limits limits = { .max_connections = 1, .max_body = 5 };

static void setup(void)
{
	f.open_fds = count_open_fds();
	f.mappings_left = -1;
	f.snapshot = NULL;
}

static void teardown(void)
{
	f.snapshot = snapshot_free(f.snapshot);
	ck_assert_ptr_null(f.snapshot);
	ck_assert_uint_eq(count_open_fds(), f.open_fds);
}

static const struct route_setting two[] = {
	{ .on = ROUTE_ALWAYS, .answer = { .status = 400, .content_type = { "text/plain", 10 }, .body = { "hello\n", 6 } } },
	{ .on = ROUTE_ALWAYS, .path = { "/", 1 }, .delay_ms = 9, .answer = { .status = 304 } },
};
static const struct route_settings site_of_two = { .routes = two, .n_routes = 2 };

static void make(void)
{
	ck_assert_int_eq(snapshot_new(&f.snapshot, 7, &limits, &site_of_two, 0), 0);
}

/* A site with that response alone. */
static int make_one(const struct http_answer *answer)
{
	struct route_setting route = { .on = ROUTE_ALWAYS, .answer = *answer };
	struct route_settings site = { .routes = &route, .n_routes = 1 };

	return snapshot_new(&f.snapshot, 1, &limits, &site, 0);
}

START_TEST(it_keeps_its_number_and_limits)
{
	make();
	ck_assert_uint_eq(f.snapshot->number, 7);
	ck_assert_uint_eq(f.snapshot->limits.max_body, 5);
	ck_assert_uint_eq(f.snapshot->n_answers, ROUTE_FIXED + 2);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED].status, 400);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED].delay_ms, 0);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED + 1].status, 304);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED + 1].delay_ms, 9);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_ERROR_431].status, 431);
}
END_TEST

/* Every head and body is at its offset, as http_head_write() makes them. */
START_TEST(the_offsets_name_the_very_bytes)
{
	char head[HTTP_HEAD_MAX];
	uint32_t date;

	make();
	for (int i = 0; i < 2; i++) {
		const struct prepared *prepared = &f.snapshot->answers[ROUTE_FIXED + i];

		for (int p = 0; p < HTTP_PERSISTENCES; p++) {
			ssize_t n = http_head_write(head, sizeof head, &two[i].answer, (enum http_persistence) p, &date);

			ck_assert_int_eq(n, (ssize_t) prepared->head_length[p]);
			ck_assert_mem_eq(f.snapshot->image + prepared->head[p], head, (size_t) n);
			ck_assert_uint_eq(prepared->date, date);
		}
		ck_assert_uint_eq(prepared->body_length, two[i].answer.body.length);
		if (two[i].answer.body.length > 0)
			ck_assert_mem_eq(f.snapshot->image + prepared->body, two[i].answer.body.at, two[i].answer.body.length);
	}
	ck_assert_uint_le(f.snapshot->answers[ROUTE_FIXED + 1].body, f.snapshot->image_length);
}
END_TEST

START_TEST(the_image_is_as_long_as_what_is_in_it)
{
	make();
	ck_assert_int_eq(lseek(f.snapshot->image_fd, 0, SEEK_END), (off_t) f.snapshot->image_length);
}
END_TEST

START_TEST(the_image_cannot_be_written_to)
{
	make();
	ck_assert_int_eq(pwrite(f.snapshot->image_fd, "x", 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_eq(__real_mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, f.snapshot->image_fd, 0), MAP_FAILED);
}
END_TEST

START_TEST(the_image_can_neither_grow_nor_shrink)
{
	make();
	ck_assert_int_eq(ftruncate(f.snapshot->image_fd, (off_t) f.snapshot->image_length + 1), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(f.snapshot->image_fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(no_seal_can_be_added_any_more)
{
	make();
	ck_assert_int_eq(fcntl(f.snapshot->image_fd, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}
END_TEST

START_TEST(the_image_is_not_inherited_by_a_program_that_is_run)
{
	make();
	ck_assert(fcntl(f.snapshot->image_fd, F_GETFD) & FD_CLOEXEC);
}
END_TEST

static char many[HTTP_HEAD_MAX + 1];

static struct http_answer with_a_field(size_t length, struct http_field *field)
{
	memset(many, 'v', sizeof many);
	*field = (struct http_field) { SLICE("X-Long"), { many, length } };
	return (struct http_answer) { .status = 200, .fields = field, .n_fields = 1 };
}

START_TEST(a_head_that_is_too_long_is_refused)
{
	struct http_field field;
	struct http_answer answer = with_a_field(HTTP_HEAD_MAX, &field);

	ck_assert_int_eq(make_one(&answer), -E2BIG);
	ck_assert_ptr_null(f.snapshot);
}
END_TEST

/* The three heads are of different length: it is the longest of them that has to fit. */
START_TEST(a_head_of_the_greatest_length_is_taken_and_one_byte_more_is_not)
{
	struct http_field field;
	struct http_answer answer = with_a_field(1, &field);
	char head[HTTP_HEAD_MAX];
	uint32_t date;
	size_t least = (size_t) http_head_write(head, sizeof head, &answer, HTTP_KEEP_ALIVE, &date) - 1;

	answer = with_a_field(HTTP_HEAD_MAX - least + 1, &field);
	ck_assert_int_eq(make_one(&answer), -E2BIG);
	answer = with_a_field(HTTP_HEAD_MAX - least, &field);
	ck_assert_int_eq(make_one(&answer), 0);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED].head_length[HTTP_KEEP_ALIVE], HTTP_HEAD_MAX);
}
END_TEST

/* Nothing is read of the body: its length alone is too much. */
START_TEST(an_image_that_is_too_long_is_refused)
{
	struct http_answer answer = { .status = 200, .body = { "", HTTP_IMAGE_MAX } };

	ck_assert_int_eq(make_one(&answer), -EFBIG);
}
END_TEST

START_TEST(without_descriptors_it_fails)
{
	struct rlimit limit, small;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	small = limit;
	small.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	r = snapshot_new(&f.snapshot, 1, &limits, &site_of_two, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(r, -EMFILE);
}
END_TEST

START_TEST(when_it_cannot_be_mapped_it_fails_and_leaves_nothing_open)
{
	f.mappings_left = _i;
	ck_assert_int_eq(snapshot_new(&f.snapshot, 1, &limits, &site_of_two, 0), -ENOMEM);
	ck_assert_ptr_null(f.snapshot);
}
END_TEST

START_TEST(a_page_that_many_answers_share_is_there_once)
{
	static const char page[100 * 1000];
	const struct http_answer error = { .status = 405, .body = { page, sizeof page } };
	struct route_setting routes[50];
	struct route_settings site = { .routes = routes, .n_routes = 50, .errors = &error, .n_errors = 1 };

	for (int i = 0; i < 50; i++)
		routes[i] = (struct route_setting) {
			.on = ROUTE_ALWAYS, .path = { page, (size_t) i }, .methods = SLICE("GET"),
			.answer = { .status = 410, .body = { page, sizeof page } },
		};
	ck_assert_int_eq(snapshot_new(&f.snapshot, 1, &limits, &site, 0), 0);
	ck_assert_uint_lt(f.snapshot->image_length, 2 * sizeof page);
}
END_TEST

START_TEST(a_head_that_repeats_something_of_the_request_is_known)
{
	struct http_field field = { SLICE("Location"), SLICE("https://${host}${path}") };
	struct http_answer answer = { .status = 301, .fields = &field, .n_fields = 1 };

	ck_assert_int_eq(make_one(&answer), 0);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED].variables,
			  HTTP_VARIABLES_ANY | HTTP_VARIABLES_HOST | HTTP_VARIABLES_PATH);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_ERROR_400].variables, 0);
	f.snapshot = snapshot_free(f.snapshot);
	field.value = SLICE("${request_id}");
	ck_assert_int_eq(make_one(&answer), 0);
	ck_assert_uint_eq(f.snapshot->answers[ROUTE_FIXED].variables, HTTP_VARIABLES_ANY | HTTP_VARIABLES_REQUEST_ID);
}
END_TEST

START_TEST(what_it_takes_can_be_measured_without_making_it)
{
	struct route_settings settings = { .routes = two, .n_routes = 2 };
	struct snapshot_size size;

	ck_assert_int_eq(snapshot_new(&f.snapshot, 1, &limits, &settings, 0), 0);
	ck_assert_int_eq(snapshot_measure(&size, &settings, 0), 0);
	ck_assert_uint_eq(size.image_length, f.snapshot->image_length);
	ck_assert_uint_eq(size.heads_length, snapshot_heads_length(f.snapshot));
	ck_assert_uint_eq(size.n_answers, f.snapshot->n_answers);
	ck_assert_uint_gt(size.bytes, size.image_length + size.n_answers * sizeof *f.snapshot->answers);
}
END_TEST

START_TEST(what_is_too_long_cannot_be_measured_either)
{
	static char value[HTTP_HEAD_MAX];
	struct http_field field = { SLICE("X"), { memset(value, 'x', sizeof value), sizeof value } };
	struct route_setting route = { .on = ROUTE_ALWAYS, .answer = { .status = 200, .fields = &field, .n_fields = 1 } };
	struct route_settings settings = { .routes = &route, .n_routes = 1 };
	struct snapshot_size size;

	ck_assert_int_eq(snapshot_measure(&size, &settings, 0), -E2BIG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tests = tcase_create("snapshot");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, it_keeps_its_number_and_limits);
	tcase_add_test(tests, the_offsets_name_the_very_bytes);
	tcase_add_test(tests, the_image_is_as_long_as_what_is_in_it);
	tcase_add_test(tests, the_image_cannot_be_written_to);
	tcase_add_test(tests, the_image_can_neither_grow_nor_shrink);
	tcase_add_test(tests, no_seal_can_be_added_any_more);
	tcase_add_test(tests, the_image_is_not_inherited_by_a_program_that_is_run);
	tcase_add_test(tests, a_head_that_is_too_long_is_refused);
	tcase_add_test(tests, a_head_of_the_greatest_length_is_taken_and_one_byte_more_is_not);
	tcase_add_test(tests, an_image_that_is_too_long_is_refused);
	tcase_add_test(tests, without_descriptors_it_fails);
	tcase_add_loop_test(tests, when_it_cannot_be_mapped_it_fails_and_leaves_nothing_open, 0, 2);
	tcase_add_test(tests, a_page_that_many_answers_share_is_there_once);
	tcase_add_test(tests, a_head_that_repeats_something_of_the_request_is_known);
	tcase_add_test(tests, what_it_takes_can_be_measured_without_making_it);
	tcase_add_test(tests, what_is_too_long_cannot_be_measured_either);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

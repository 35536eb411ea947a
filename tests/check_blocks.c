/* SPDX-License-Identifier: MIT */
/* Sixteen bytes at a time come to the same as one: every byte at every place, and never a byte too far. */
#undef NDEBUG
#include "http/blocks.h"

#include "fixture.h"
#include "guarded.h"

enum { LONGEST = 3 * HTTP_BLOCK + 3 };

static const struct {
	const char *(*skip)(const char *at, const char *stop);
	unsigned classes;
	const char *usual;		/* bytes that it moves on over */
} ways[] = {
	{ http_skip_value, HTTP_VALUE, " Aa~!\x80\xff" },
	{ http_skip_name, HTTP_TOKEN, "aAzZ-m" },
};

enum { WAYS = sizeof ways / sizeof *ways };

static void compare(unsigned way, const char *bytes, size_t length)
{
	const char *at = guarded(bytes, length);
	const char *stop = at + length;

	ck_assert_ptr_eq(ways[way].skip(at, stop), http_skip(at, stop, ways[way].classes));
}

START_TEST(every_byte_is_judged_at_every_place_as_it_is_alone)
{
	const char *usual = ways[_i].usual;
	char bytes[LONGEST] = { 0 };

	for (size_t length = 0; length <= LONGEST; length++) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = usual[i % strlen(usual)];
		compare((unsigned) _i, bytes, length);
		for (size_t place = 0; place < length; place++) {
			char was = bytes[place];

			for (int byte = 0; byte < 256; byte++) {
				bytes[place] = (char) byte;
				compare((unsigned) _i, bytes, length);
			}
			bytes[place] = was;
		}
	}
}
END_TEST

START_TEST(any_bytes_are_judged_as_one_by_one)
{
	unsigned long long state = 20261128;
	char bytes[LONGEST] = { 0 };

	for (int round = 0; round < 20000; round++) {
		size_t length = random_next(&state) % (LONGEST + 1);

		for (size_t i = 0; i < length; i++)	/* mostly those that are moved on over */
			bytes[i] = random_next(&state) % 8 ? ways[_i].usual[random_next(&state) % 5] : (char) random_next(&state);
		compare((unsigned) _i, bytes, length);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blocks");
	TCase *tests = tcase_create("blocks");

	tcase_add_loop_test(tests, every_byte_is_judged_at_every_place_as_it_is_alone, 0, WAYS);
	tcase_add_loop_test(tests, any_bytes_are_judged_as_one_by_one, 0, WAYS);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

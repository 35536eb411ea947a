/* SPDX-License-Identifier: MIT */
/* All ways to write one path are one (RFC 3986 6.2.2), and nothing of a target leaves the field that repeats it. */
#undef NDEBUG
#include "http/target.h"

#include "fixture.h"
#include "guarded.h"

#include <stdlib.h>

static const struct {
	const char *path, *normal;
} paths[] = {
	{ "/", "/" },
	{ "/a/b", "/a/b" },
	{ "//", "//" },
	{ "/a//b/", "/a//b/" },

	/* 5.2.4 */
	{ "/a/b/c/./../../g", "/a/g" },
	{ "/./", "/" },
	{ "/.", "/" },
	{ "/..", "/" },
	{ "/../", "/" },
	{ "/../../g", "/g" },
	{ "/./g", "/g" },
	{ "/g.", "/g." },
	{ "/.g", "/.g" },
	{ "/g..", "/g.." },
	{ "/..g", "/..g" },
	{ "/...", "/..." },
	{ "/./g/.", "/g/" },
	{ "/g/./h", "/g/h" },
	{ "/g/../h", "/h" },
	{ "/g;x=1/./y", "/g;x=1/y" },
	{ "/g;x=1/../y", "/y" },
	{ "/a/..", "/" },
	{ "/a/../", "/" },
	{ "/a/b/..", "/a/" },
	{ "/a//../b", "/a/b" },
	{ "/a/../../b/..", "/" },
	{ "//..", "/" },
	{ "//../a", "/a" },

	/* 6.2.2.1, 6.2.2.2 */
	{ "/%61%7E%2d%2E%5f%7a%30", "/a~-._z0" },
	{ "/%2e%2e/a", "/a" },
	{ "/a/%2E", "/a/" },
	{ "/%2fa%2F", "/%2Fa%2F" },
	{ "/%c3%a9", "/%C3%A9" },
	{ "/%25%34%31", "/%2541" },		/* decoded once */
	{ "/%21%3a%40", "/%21%3A%40" },		/* reserved: not the same as !:@ */
	{ "/!:@$&'()*+,;=", "/!:@$&'()*+,;=" },

	/* What cannot stand in a path. */
	{ "/a b", "/a%20b" },
	{ "/\"<>\\^`{|}[]", "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D" },
	{ "/\xc3\xa9", "/%C3%A9" },
	{ "/%", "/%25" },
	{ "/%4", "/%254" },
	{ "/%4g", "/%254g" },
	{ "/%zz", "/%25zz" },
};

START_TEST(a_path_becomes_the_one_that_it_means)
{
	size_t length = strlen(paths[_i].path);
	struct slice path = { guarded(paths[_i].path, length), length };
	char to[200];
	size_t n = http_path_normalise(to, path);

	ck_assert_uint_le(n, 3 * path.length);
	ck_assert_msg(slice_equal((struct slice) { to, n }, slice_of(paths[_i].normal)), "%.*s", (int) n, to);
	if (http_path_is_normal(path))
		ck_assert_str_eq(paths[_i].path, paths[_i].normal);
}
END_TEST

static bool needs_the_long_look(struct slice path)
{
	return memchr(path.at, '%', path.length) || memmem(path.at, path.length, "/.", 2);
}

static struct slice any_path(char *to, size_t most, unsigned long long *seed)
{
	static const char letters[] = "//..%2eE5fab@;~\\ ";
	size_t n = (size_t) random_next(seed) % most;

	to[0] = '/';
	for (size_t i = 0; i < n; i++)
		to[i + 1] = letters[(size_t) random_next(seed) % (sizeof letters - 1)];
	return (struct slice) { to, n + 1 };
}

START_TEST(what_is_normal_stays_as_it_is)
{
	char path[20], once[60], twice[180];
	unsigned long long seed = 1;
	unsigned normal = 0;

	for (int i = 0; i < 200000; i++) {
		struct slice given = any_path(path, sizeof path - 1, &seed), first, second;

		first = (struct slice) { once, http_path_normalise(once, given) };
		ck_assert_int_eq(once[0], '/');
		second = (struct slice) { twice, http_path_normalise(twice, first) };
		ck_assert(slice_equal(first, second));
		normal += http_path_is_normal(given);
		ck_assert_int_eq(http_path_is_normal(given), slice_equal(first, given) && !needs_the_long_look(given));
	}
	ck_assert_uint_gt(normal, 1000);
}
END_TEST

/* The place is exactly as large as it need be, and what is read ends at a page that cannot be. */
START_TEST(nothing_beyond_its_place_is_touched)
{
	static char worst[300];

	for (size_t n = 1; n <= 100; n++) {
		char text[100];
		char *to = malloc(3 * n);
		const char *from;

		memset(text, '\\', n);
		text[0] = '/';
		from = guarded(text, n);
		ck_assert_ptr_nonnull(to);
		ck_assert_uint_eq(http_path_normalise(to, (struct slice) { from, n }), 3 * n - 2);
		ck_assert_uint_eq(http_target_escape(to, (struct slice) { from, n }), 3 * n - 2);
		free(to);
	}
	ck_assert_uint_eq(http_target_escape(worst, (struct slice) { 0 }), 0);
}
END_TEST

START_TEST(a_uri_keeps_its_bytes_and_all_others_are_encoded)
{
	for (int byte = 0; byte < 256; byte++) {
		char text = (char) byte, to[3];
		size_t n = http_target_escape(to, (struct slice) { &text, 1 });
		bool kept = byte && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%",
					   byte);

		ck_assert_uint_eq(n, kept ? 1 : 3);
		if (kept)
			ck_assert_int_eq(to[0], text);
		else
			ck_assert_int_eq(strtol((char[]) { to[1], to[2], 0 }, NULL, 16), byte);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("target");
	TCase *tests = tcase_create("target");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, a_path_becomes_the_one_that_it_means, 0, sizeof paths / sizeof *paths);
	tcase_add_test(tests, what_is_normal_stays_as_it_is);
	tcase_add_test(tests, nothing_beyond_its_place_is_touched);
	tcase_add_test(tests, a_uri_keeps_its_bytes_and_all_others_are_encoded);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

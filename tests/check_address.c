/* SPDX-License-Identifier: MIT */
/* What server.listen accepts, and what it says to what it does not. */
#undef NDEBUG
#include "daemon/address.h"

#include "fixture.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct {
	const char *text, *as_text;
	int family;
	mode_t mode;
	const char *because;
} good[] = {
	{ "127.0.0.1:8000", "127.0.0.1:8000", AF_INET, 0666, "the default" },
	{ "0.0.0.0:80", "0.0.0.0:80", AF_INET, 0666, "every address of one family" },
	{ "255.255.255.255:65535", "255.255.255.255:65535", AF_INET, 0666, "the longest and the highest port" },
	{ "127.0.0.1:0", "127.0.0.1:0", AF_INET, 0666, "a port of the kernel's choice" },
	{ "[::1]:8000", "[::1]:8000", AF_INET6, 0666, "IPv6" },
	{ "[0:0:0:0:0:0:0:1]:8000", "[::1]:8000", AF_INET6, 0666, "written at length" },
	{ "[::]:80", "[::]:80", AF_INET6, 0666, "every address of one family" },
	{ "[fe80::1%lo]:80", "[fe80::1%lo]:80", AF_INET6, 0666, "with an interface" },
	{ "/run/x.sock", "/run/x.sock", AF_UNIX, 0666, "a path" },
	{ "/run/x.sock mode=0660", "/run/x.sock", AF_UNIX, 0660, "with a mode" },
	{ "/run/x.sock \t mode=7", "/run/x.sock", AF_UNIX, 07, "a short mode" },
	{ "/run/a:80", "/run/a:80", AF_UNIX, 0666, "a colon in a path" },
	{ "/run/.a/..b/c./...", "/run/.a/..b/c./...", AF_UNIX, 0666, "dots in names" },
	{ "/run/a\\b", "/run/a\\b", AF_UNIX, 0666, "a backslash within" },
	{ "127.0.0.1:80 ", "127.0.0.1:80", AF_INET, 0666, "a blank at the end" },
};

START_TEST(an_address_is_understood_and_printed_as_a_person_writes_it)
{
	char text[ADDRESS_TEXT_MAX];
	struct address at[2];
	const char *why = NULL;

	ck_assert_msg(address_parse(good[_i].text, at, &why) == 1, "%s: %s", good[_i].because, why);
	ck_assert_int_eq(at[0].at.ss_family, good[_i].family);
	ck_assert_uint_eq(at[0].mode, good[_i].mode);
	ck_assert_str_eq(address_text((struct sockaddr *) &at[0].at, at[0].length, text), good[_i].as_text);
	ck_assert(address_equal(&at[0], (struct sockaddr *) &at[0].at, at[0].length));
}
END_TEST

#define P50 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "it is empty" },
	{ "127.0.0.1", "the port is missing" },
	{ "127.0.0.1:", "the port is missing" },
	{ "127.0.0.1:65536", "0 to 65535" },
	{ "127.0.0.1:-1", "0 to 65535" },
	{ "127.0.0.1:+1", "0 to 65535" },
	{ "127.0.0.1:99999999999999999999", "0 to 65535" },
	{ "127.0.0.1:http", "0 to 65535" },
	{ "127.0.0.1:8000:1", "0 to 65535" },
	{ "1.2.3.4:80:90", "0 to 65535" },
	{ "127.0.0.1:80 x", "only name=NAME can follow the port" },
	{ "127.0.0.1:80 NAME=x", "only name=NAME can follow the port" },
	{ "127.0.0.1:80 name=", "it is empty" },
	{ "127.0.0.1:80 name=a:b", "letters, digits" },
	{ "127.0.0.1:80 name=a,b", "letters, digits" },
	{ "127.0.0.1:80 name=-a", "begins with none" },
	{ "127.0.0.1:80 name=../a", "letters, digits" },
	{ "127.0.0.1:80 name=" P50 "aaaaabbbbbccccc", "at most 64 bytes" },
	{ ":80 mode=0600", "unix sockets only" },
	{ "127.0.0.1:80 mode=0660", "unix sockets only" },
	{ "127.0.0.1:80\n", "0 to 65535" },
	{ " 127.0.0.1:80", "it is empty" },
	{ "127.0.0.256:80", "no IPv4 address" },
	{ "127.1:80", "no IPv4 address" },
	{ "2130706433:80", "no IPv4 address" },
	{ "1.2.3.4.5.6.7.8.9.10:80", "no IPv4 address" },
	{ "8000", "an address is missing" },
	{ ":", "the port is missing" },
	{ ":65536", "0 to 65535" },
	{ "::1", "in brackets" },
	{ "::1:8000", "in brackets" },
	{ "fe80::1:8000", "in brackets" },
	{ "[::1]", "the port is missing" },
	{ "[::1]8000", "the port is missing" },
	{ "[::1]:", "the port is missing" },
	{ "[::1:8000", "the closing ]" },
	{ "[::g]:80", "no IPv6 address" },
	{ "[]:80", "no IPv6 address" },
	{ "[127.0.0.1]:80", "no IPv6 address" },
	{ "[::ffff:192.168.100.200]:80", "an IPv4 address inside" },
	{ "[" P50 P50 "]:80", "no IPv6 address" },
	{ "[fe80::1%none0]:80", "no network interface" },
	{ "[fe80::1]:80", "needs its network interface" },
	{ "[fe80::1%]:80", "no network interface" },
	{ "*:80", "without a *" },
	{ "localhost:80", "host names are not looked up" },
	{ "example.com:80", "host names are not looked up" },
	{ "localhost", "host names are not looked up" },
	{ "http://127.0.0.1:80", "URL" },
	{ "@reactord", "abstract" },
	{ "unix:/run/x", "without unix:" },
	{ "run/x.sock", "begins with /" },
	{ "./x.sock", "begins with /" },
	{ "/run/", "a directory" },
	{ "/", "a directory" },
	{ "/run/reactord/../x.sock", "/../" },
	{ "/run/./x.sock", "/./" },
	{ "/./x.sock", "/./" },
	{ "/run//x.sock", "//" },
	{ "//x.sock", "//" },
	{ "/run/..", "/../" },
	{ "/run/.", "/./" },
	{ "/run/../x mode=0600", "/../" },
	{ "/run/a\\", "a backslash" },
	{ "/run/a\\ mode=0600", "a backslash" },
	{ "/run/x y", "only mode=" },
	{ "/run/x mode=", "octal" },
	{ "/run/x mode=0999", "octal" },
	{ "/run/x mode=1777", "octal" },
	{ "/run/x mode=00660", "octal" },
	{ "/run/x mode=0660 x", "only mode=" },
	{ "/run/x mode=rw", "octal" },
	{ "/" P50 P50 "1234567", "107 bytes" },
};

START_TEST(a_refusal_says_what_is_wrong)
{
	struct address at[2];
	const char *why = "nothing";

	ck_assert_int_eq(address_parse(bad[_i].text, at, &why), -EINVAL);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "\"%s\" was refused with: %s", bad[_i].text, why);
}
END_TEST

START_TEST(a_port_alone_is_every_address_of_both_families)
{
	char text[ADDRESS_TEXT_MAX];
	struct address at[2];
	const char *why;

	ck_assert_int_eq(address_parse(":8000", at, &why), 2);
	ck_assert_str_eq(address_text((struct sockaddr *) &at[0].at, at[0].length, text), "[::]:8000");
	ck_assert_str_eq(address_text((struct sockaddr *) &at[1].at, at[1].length, text), "0.0.0.0:8000");
}
END_TEST

static const struct {
	const char *text, *name;
	mode_t mode;
	int n;
	bool named;
} named[] = {
	{ "127.0.0.1:80", "http", 0666, 1, false },
	{ "127.0.0.1:80 name=http", "http", 0666, 1, true },
	{ "127.0.0.1:80  name=admin", "admin", 0666, 1, true },
	{ "127.0.0.1:80 name=handover", "handover", 0666, 1, true },	/* only of what does not listen it says more */
	{ "[::1]:80 name=A-9_b.c", "A-9_b.c", 0666, 1, true },
	{ ":80 name=admin", "admin", 0666, 2, true },
	{ "/run/x mode=0600 name=admin", "admin", 0600, 1, true },
	{ "/run/x name=admin\tmode=0600", "admin", 0600, 1, true },
	{ "/run/x name=" P50 "aaaaabbbbbcccc", P50 "aaaaabbbbbcccc", 0666, 1, true },
};

START_TEST(an_address_has_a_name)
{
	struct address at[2];
	const char *why = NULL;

	ck_assert_msg(address_parse(named[_i].text, at, &why) == named[_i].n, "%s", why);
	for (int i = 0; i < named[_i].n; i++) {
		ck_assert_str_eq(at[i].name, named[_i].name);
		ck_assert_int_eq(at[i].named, named[_i].named);
		ck_assert_uint_eq(at[i].mode, named[_i].mode);
	}
}
END_TEST

START_TEST(the_longest_path_of_a_unix_socket_is_whole)
{
	char text[ADDRESS_TEXT_MAX];
	struct address at[2];
	const char *why, *path = "/" P50 P50 "123456";

	ck_assert_uint_eq(strlen(path), sizeof ((struct sockaddr_un *) NULL)->sun_path - 1);
	ck_assert_int_eq(address_parse(path, at, &why), 1);
	ck_assert_str_eq(address_text((struct sockaddr *) &at[0].at, at[0].length, text), path);
}
END_TEST

/* The kernel counts the NUL of a path or not, as the one who bound it did. */
START_TEST(a_path_is_the_same_with_and_without_the_nul_at_its_end)
{
	struct address at[2];
	const char *why;

	ck_assert_int_eq(address_parse("/run/x", at, &why), 1);
	ck_assert(address_equal(&at[0], (struct sockaddr *) &at[0].at, at[0].length));
	ck_assert(address_equal(&at[0], (struct sockaddr *) &at[0].at, at[0].length - 1));
	ck_assert(address_equal(&at[0], (struct sockaddr *) &at[0].at, sizeof(struct sockaddr_un)));
	ck_assert(!address_equal(&at[0], (struct sockaddr *) &at[0].at, at[0].length - 2));
}
END_TEST

static const struct {
	const char *wanted, *other;
	bool equal;
} pairs[] = {
	{ "127.0.0.1:80", "127.0.0.1:80", true },
	{ "127.0.0.1:80", "127.0.0.1:81", false },
	{ "127.0.0.1:80", "127.0.0.2:80", false },
	{ "127.0.0.1:0", "127.0.0.1:81", true },	/* every port was asked for */
	{ "127.0.0.1:81", "127.0.0.1:0", false },
	{ "[::1]:80", "[::1]:80", true },
	{ "[::1]:80", "[::2]:80", false },
	{ "[::1]:0", "[::1]:80", true },
	{ "[::1]:80", "[::1]:0", false },
	{ "[fe80::2%lo]:80", "[fe80::1%lo]:80", false },
	{ "[::]:80", "0.0.0.0:80", false },
	{ "/run/x", "/run/x mode=0600", true },		/* the mode is no part of an address */
	{ "/run/x", "/run/xy", false },
	{ "/run/xy", "/run/x", false },
	{ "/run/x", "127.0.0.1:80", false },
};

START_TEST(addresses_are_equal_when_a_client_could_not_tell_them_apart)
{
	struct address a[2], b[2];
	const char *why;

	ck_assert_int_eq(address_parse(pairs[_i].wanted, a, &why), 1);
	ck_assert_int_eq(address_parse(pairs[_i].other, b, &why), 1);
	ck_assert_msg(address_equal(&a[0], (struct sockaddr *) &b[0].at, b[0].length) == pairs[_i].equal,
		      "%s and %s", pairs[_i].wanted, pairs[_i].other);
}
END_TEST

static const struct {
	const char *a, *b;
	bool collide;
} beside[] = {
	{ "127.0.0.1:80", "127.0.0.1:80", true },
	{ "127.0.0.1:80", "127.0.0.1:81", false },
	{ "127.0.0.1:80", "127.0.0.2:80", false },
	{ "0.0.0.0:80", "127.0.0.1:80", true },
	{ "0.0.0.0:80", "127.0.0.1:81", false },
	{ "0.0.0.0:0", "127.0.0.1:0", false },
	{ "127.0.0.1:0", "127.0.0.1:0", false },
	{ "127.0.0.1:0", "127.0.0.1:80", false },
	{ "0.0.0.0:80", "[::]:80", false },		/* each is one family */
	{ "[::]:80", "127.0.0.1:80", false },
	{ "[::]:80", "[::1]:80", true },
	{ "[::]:80", "[::1]:81", false },
	{ "[::]:0", "[::1]:0", false },
	{ "[::]:80", "[fe80::1%lo]:80", true },
	{ "[::1]:80", "[::2]:80", false },
	{ "[::1]:80", "[::1%lo]:80", true },
	{ "/run/x", "/run/x mode=0600 name=x", true },
	{ "/run/x", "/run/xy", false },
};

START_TEST(addresses_collide_when_only_one_of_them_can_be_bound)
{
	struct address a[2], b[2];
	const char *why;

	ck_assert_int_eq(address_parse(beside[_i].a, a, &why), 1);
	ck_assert_int_eq(address_parse(beside[_i].b, b, &why), 1);
	ck_assert_msg(address_collide(&a[0], &b[0]) == beside[_i].collide, "%s and %s", beside[_i].a, beside[_i].b);
	ck_assert_msg(address_collide(&b[0], &a[0]) == beside[_i].collide, "%s and %s", beside[_i].b, beside[_i].a);
}
END_TEST

START_TEST(sockets_that_cannot_be_configured_have_a_text_too)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "\0name" };
	struct sockaddr other = { .sa_family = AF_NETLINK };
	char text[ADDRESS_TEXT_MAX];
	socklen_t path_at = offsetof(struct sockaddr_un, sun_path);

	ck_assert_str_eq(address_text((struct sockaddr *) &un, path_at + 5, text), "@name");
	ck_assert_str_eq(address_text((struct sockaddr *) &un, path_at, text), "a unix socket without a name");
	ck_assert_str_eq(address_text((struct sockaddr *) &un, 0, text),
			 "a socket of a family that is neither IP nor unix");
	ck_assert_str_eq(address_text(&other, sizeof other, text),
			 "a socket of a family that is neither IP nor unix");
}
END_TEST

START_TEST(an_address_that_is_cut_short_equals_nothing)
{
	static const char *const texts[] = { "127.0.0.1:80", "[::1]:80" };
	struct address at[2];
	const char *why;

	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(address_parse(texts[i], at, &why), 1);
		ck_assert(!address_equal(&at[0], (struct sockaddr *) &at[0].at, at[0].length - 1));
		ck_assert(!address_equal(&at[0], (struct sockaddr *) &at[0].at, 0));
	}
}
END_TEST

#define N(table) ((int) (sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("address");
	TCase *tests = tcase_create("address");

	tcase_add_loop_test(tests, an_address_is_understood_and_printed_as_a_person_writes_it, 0, N(good));
	tcase_add_loop_test(tests, a_refusal_says_what_is_wrong, 0, N(bad));
	tcase_add_test(tests, a_port_alone_is_every_address_of_both_families);
	tcase_add_loop_test(tests, an_address_has_a_name, 0, N(named));
	tcase_add_test(tests, the_longest_path_of_a_unix_socket_is_whole);
	tcase_add_test(tests, a_path_is_the_same_with_and_without_the_nul_at_its_end);
	tcase_add_loop_test(tests, addresses_are_equal_when_a_client_could_not_tell_them_apart, 0, N(pairs));
	tcase_add_loop_test(tests, addresses_collide_when_only_one_of_them_can_be_bound, 0, N(beside));
	tcase_add_test(tests, sockets_that_cannot_be_configured_have_a_text_too);
	tcase_add_test(tests, an_address_that_is_cut_short_equals_nothing);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

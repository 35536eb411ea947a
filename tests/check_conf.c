/* SPDX-License-Identifier: MIT */
/* Files are written to a directory of the test's own; the mistakes are compared as a person would read them. */
#undef NDEBUG
#include "daemon/conf.h"
#include "daemon/conf_answer.h"

#include "fixture.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <zlib.h>

static char directory[64];
static char main_file[96];		/* directory/f */
static struct conf *conf;
static struct conf_errors errors;
static char *mistakes;			/* all errors, a line each, without the directory */

static char *in_directory(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void put_bytes(const char *name, const char *bytes, size_t length)
{
	FILE *file = fopen(in_directory(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static void forget(void)
{
	conf = conf_free(conf);
	conf_errors_clear(&errors);
	free(mistakes);
	mistakes = NULL;
}

static void setup(void)
{
	strcpy(directory, "/tmp/check_conf.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(main_file, sizeof main_file, "%s/f", directory);
	ck_assert_int_eq(mkdir(in_directory("f.d"), 0700), 0);
}

static void teardown(void)
{
	char command[128];

	forget();
	snprintf(command, sizeof command, "rm -r %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_mistakes_down(void)
{
	size_t length;
	FILE *to = open_memstream(&mistakes, &length);

	for (size_t i = 0; i < errors.n; i++) {
		char *text = conf_error_text(&errors.at[i]), *at = text, *path;

		ck_assert_ptr_nonnull(text);
		while ((path = strstr(at, directory))) {
			fprintf(to, "%.*s", (int) (path - at), at);
			at = path + strlen(directory) + 1;
		}
		fprintf(to, "%s\n", at);
		free(text);
	}
	fclose(to);
}

/* NULL ends the overrides. */
static int load_with(const char *file, const char *const *listen, ...)
{
	const char *overrides[8];
	struct conf_source source = {
		.file = file, .file_must_exist = true, .overrides = overrides, .listen = listen,
	};
	va_list list;
	int r;

	va_start(list, listen);
	while ((overrides[source.n_overrides] = va_arg(list, const char *)))
		source.n_overrides++;
	va_end(list);
	while (listen && listen[source.n_listen])
		source.n_listen++;

	forget();
	r = conf_load(&conf, &source, &errors);
	write_mistakes_down();
	ck_assert_int_eq(r == 0, errors.n == 0);
	return r;
}

static int load(void)
{
	return load_with(main_file, NULL, NULL);
}

static int load_text(const char *text)
{
	put("f", text);
	return load();
}

static void must(int r)
{
	ck_assert_msg(r == 0, "%s", mistakes);
}

static char *dump(const struct conf *of)
{
	char *text;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	conf_dump(of, to);
	fclose(to);
	return text;
}

static char *all_of(struct slice text)
{
	static char copy[65536];

	ck_assert_uint_lt(text.length, sizeof copy);
	memcpy(copy, text.at, text.length);
	copy[text.length] = '\0';
	return copy;
}

START_TEST(the_defaults_are_those_of_the_manual)
{
	ck_assert_int_eq(conf_defaults(&conf), 0);
	ck_assert_uint_eq(conf->n_listen, 1);
	ck_assert_str_eq(conf->listen[0].text, "127.0.0.1:8000");
	ck_assert(!conf->listen_is_set);
	ck_assert_uint_eq(conf->workers, 0);
	ck_assert_int_eq(conf->executor, CONF_INLINE);
	ck_assert_uint_eq(conf->backlog, 4096);
	ck_assert_uint_eq(conf->drain_timeout_ms, 10000);
	ck_assert_uint_eq(conf->idle_exit_ms, 0);
	ck_assert_uint_eq(conf->answers[0]->answer.status, 200);
	ck_assert(slice_equal(conf->answers[0]->answer.content_type, SLICE("text/html")));
	ck_assert(slice_equal(conf->answers[0]->answer.body, SLICE("Hello")));
	ck_assert_uint_eq(conf->answers[0]->answer.n_fields, 0);
	ck_assert_ptr_null(conf->answers[0]->body_file);
	ck_assert_uint_eq(conf->limits.max_connections, 10000);
	ck_assert_uint_eq(conf->limits.max_request_line, 8192);
	ck_assert_uint_eq(conf->limits.max_header, 32768);
	ck_assert_uint_eq(conf->limits.max_headers, 100);
	ck_assert_uint_eq(conf->limits.max_body, 16 << 20);
	ck_assert_uint_eq(conf->limits.max_requests, 0);
	ck_assert_uint_eq(conf->limits.header_timeout_ms, 10000);
	ck_assert_uint_eq(conf->limits.body_timeout_ms, 30000);
	ck_assert_uint_eq(conf->limits.write_timeout_ms, 30000);
	ck_assert_uint_eq(conf->limits.idle_timeout_ms, 60000);
	ck_assert_int_eq(conf->log_level, LOG_INFO);
	ck_assert_int_eq(conf->access, ACCESS_OFF);
}
END_TEST

START_TEST(every_key_arrives_where_it_belongs)
{
	must(load_text("[server]\nlisten = :80\nlisten = /run/x mode=0600\nworkers = 3\nexecutor = threaded\n"
		       "backlog = 17\ndrain_timeout = 1h\nidle_exit = 90s\n"
		       "[response]\nstatus = 503\ncontent_type = text/plain\nheader = Retry-After: 60\n"
		       "header = X-A:b ; c \nbody = soon\n"
		       "[limits]\nmax_connections = 1\nmax_request_line = 64K\nmax_header = 1k\nmax_headers = 3\n"
		       "max_body = 3G\nmax_requests = 4\nheader_timeout = 200ms\nbody_timeout = 5\nwrite_timeout = 6s\n"
		       "idle_timeout = 7m\n[log]\nlevel = debug\naccess = sample=9\n"));
	ck_assert_uint_eq(conf->n_listen, 2);
	ck_assert_uint_eq(conf->listen[0].n, 2);
	ck_assert_uint_eq(conf->listen[1].n, 1);
	ck_assert_uint_eq(conf->listen[1].at[0].mode, 0600);
	ck_assert(conf->listen_is_set);
	ck_assert_uint_eq(conf->workers, 3);
	ck_assert_int_eq(conf->executor, CONF_THREADED);
	ck_assert_uint_eq(conf->backlog, 17);
	ck_assert_uint_eq(conf->drain_timeout_ms, 3600000);
	ck_assert_uint_eq(conf->idle_exit_ms, 90000);
	ck_assert_uint_eq(conf->answers[0]->answer.status, 503);
	ck_assert(slice_equal(conf->answers[0]->answer.content_type, SLICE("text/plain")));
	ck_assert_uint_eq(conf->answers[0]->answer.n_fields, 2);
	ck_assert(slice_equal(conf->answers[0]->answer.fields[0].name, SLICE("Retry-After")));
	ck_assert(slice_equal(conf->answers[0]->answer.fields[0].value, SLICE("60")));
	ck_assert(slice_equal(conf->answers[0]->answer.fields[1].name, SLICE("X-A")));
	ck_assert(slice_equal(conf->answers[0]->answer.fields[1].value, SLICE("b ; c")));
	ck_assert(slice_equal(conf->answers[0]->answer.body, SLICE("soon")));
	ck_assert_uint_eq(conf->limits.max_connections, 1);
	ck_assert_uint_eq(conf->limits.max_request_line, 65536);
	ck_assert_uint_eq(conf->limits.max_header, 1024);
	ck_assert_uint_eq(conf->limits.max_headers, 3);
	ck_assert_uint_eq(conf->limits.max_body, (uint64_t) 3 << 30);
	ck_assert_uint_eq(conf->limits.max_requests, 4);
	ck_assert_uint_eq(conf->limits.header_timeout_ms, 200);
	ck_assert_uint_eq(conf->limits.body_timeout_ms, 5000);
	ck_assert_uint_eq(conf->limits.write_timeout_ms, 6000);
	ck_assert_uint_eq(conf->limits.idle_timeout_ms, 420000);
	ck_assert_int_eq(conf->log_level, LOG_DEBUG);
	ck_assert_int_eq(conf->access, ACCESS_SAMPLE);
	ck_assert_uint_eq(conf->access_sample, 9);
}
END_TEST

static const struct {
	const char *file, *mistakes;
} wrong[] = {
	/* What is not known. */
	{ "[servr]\nx = y\n", "f:1: unknown section [servr]; did you mean [server]?\n" },
	{ "[Limits]\n", "f:1: unknown section [Limits]; did you mean [limits]?\n" },
	{ "[database]\n", "f:1: unknown section [database]; there are [server], [response], [listen NAME], "
	  "[route PATH], [maintenance], [error STATUS], [limits] and [log]\n" },
	{ "[server]\nworker = 3\n", "f:2: unknown key \"worker\" in [server]; did you mean workers?\n" },
	{ "[server]\nLISTEN = :80\n", "f:2: unknown key \"LISTEN\" in [server]; did you mean listen?\n" },
	{ "[server]\nwrokers = 3\n", "f:2: unknown key \"wrokers\" in [server]; did you mean workers?\n" },
	{ "[server]\nmax_body = 3\n", "f:2: unknown key \"max_body\" in [server]; did you mean [limits] max_body?\n" },
	{ "[limits]\nmax-body = 3\n", "f:2: unknown key \"max-body\" in [limits]; did you mean max_body?\n" },
	{ "[log]\nbody = 3\n", "f:2: unknown key \"body\" in [log]; did you mean [response] body?\n" },
	{ "[log]\ncolour = 3\n", "f:2: unknown key \"colour\" in [log], which has level, access, access_limit\n" },
	{ "[log]\nlevel = warn\n", "f:2: log.level: \"warn\" is not error, warning, notice, info or debug; did you mean "
	  "warning?\n" },
	{ "[log]\nlevel = 7\n", "f:2: log.level: \"7\" is not error, warning, notice, info or debug\n" },
	{ "[log]\naccess = al\n", "f:2: log.access: \"al\" is not off, errors, sample=N or all; did you mean all?\n" },
	{ "[log]\naccess = sample\n", "f:2: log.access: \"sample\" is not off, errors, sample=N or all; did you mean "
	  "sample=N?\n" },
	{ "[log]\naccess = sample=0\n", "f:2: log.access: 0 is out of range, which is 1 to 1000000000\n" },
	{ "[log]\naccess = sample=\n", "f:2: log.access: \"\" is not a whole number, like 100\n" },
	{ "[server]\nexecutor = inlin\n", "f:2: server.executor: \"inlin\" is not inline or threaded; did you mean "
	  "inline?\n" },

	/* Numbers, sizes, times. */
	{ "[server]\nworkers = 0\n", "f:2: server.workers: 0 is out of range, which is 1 to 256\n" },
	{ "[server]\nworkers = 257\n", "f:2: server.workers: 257 is out of range, which is 1 to 256\n" },
	{ "[server]\nworkers = two\n", "f:2: server.workers: \"two\" is neither auto nor a number from 1 to 256\n" },
	{ "[server]\nworkers = -1\n", "f:2: server.workers: \"-1\" is neither auto nor a number from 1 to 256\n" },
	{ "[server]\nworkers = 2 ; half\n", "f:2: server.workers: \"2 ; half\" is not a whole number, like 100\n" },
	{ "[server]\nbacklog = 4K\n", "f:2: server.backlog: \"4K\" is not a whole number, like 100\n" },
	{ "[server]\nbacklog =\n", "f:2: server.backlog: \"\" is not a whole number, like 100\n" },
	{ "[server]\nbacklog = 0\n", "f:2: server.backlog: 0 is out of range, which is 1 to 65535\n" },
	{ "[limits]\nmax_request_line = 65K\n", "f:2: limits.max_request_line: 65K is out of range, which is 64 to 64K\n" },
	{ "[limits]\nmax_header = 257K\n", "f:2: limits.max_header: 257K is out of range, which is 128 to 256K\n" },
	{ "[limits]\nmax_body = 8KB\n", "f:2: limits.max_body: \"8KB\" is not a whole number of bytes, or with K, M or G "
	  "behind it, like 8K\n" },
	{ "[limits]\nmax_body = 1.5M\n", "f:2: limits.max_body: \"1.5M\" is not a whole number of bytes, or with K, M or G "
	  "behind it, like 8K\n" },
	{ "[limits]\nmax_body = 17179869185G\n", "f:2: limits.max_body: 17179869185G is out of range, which is 0 to "
	  "1048576G\n" },		/* 2^64 and 1 GiB: what is left after an overflow is not taken */
	{ "[limits]\nmax_body = 18446744073709551617\n", "f:2: limits.max_body: 18446744073709551617 is out of range, "
	  "which is 0 to 1048576G\n" },
	{ "[limits]\nmax_connections = 4294967297\n", "f:2: limits.max_connections: 4294967297 is out of range, which is "
	  "1 to 1048576\n" },
	{ "[limits]\nidle_timeout = 0\n", "f:2: limits.idle_timeout: 0 is out of range, which is 10ms to 24h\n" },
	{ "[limits]\nidle_timeout = 25h\n", "f:2: limits.idle_timeout: 25h is out of range, which is 10ms to 24h\n" },
	{ "[limits]\nidle_timeout = 5M\n", "f:2: limits.idle_timeout: \"5M\" is not a whole number with ms, s, m or h "
	  "behind it, like 200ms or 30s\n" },
	{ "[limits]\nidle_timeout = 5 s\n", "f:2: limits.idle_timeout: \"5 s\" is not a whole number with ms, s, m or h "
	  "behind it, like 200ms or 30s\n" },
	{ "[limits]\nidle_timeout = 18446744073709552s\n", "f:2: limits.idle_timeout: 18446744073709552s is out of range, "
	  "which is 10ms to 24h\n" },
	{ "[response]\nstatus = 199\n", "f:2: response.status: 199 is out of range, which is 200 to 599\n" },
	{ "[response]\nstatus = 600\n", "f:2: response.status: 600 is out of range, which is 200 to 599\n" },
	{ "[response]\nstatus = 404 Not Found\n", "f:2: response.status: \"404 Not Found\" is not a whole number, like "
	  "100\n" },

	/* Addresses. */
	{ "[server]\nlisten = localhost:80\n", "f:2: server.listen: \"localhost:80\": host names are not looked up; write "
	  "the address as numbers, for localhost 127.0.0.1:PORT or [::1]:PORT\n" },
	{ "[server]\nlisten =\n", "f:2: server.listen: \"\": it is empty; write ADDRESS:PORT, :PORT or the path of a unix "
	  "socket\n" },
	{ "[server]\nlisten = :80\nlisten = [::]:80\n", "f:3: server.listen: \"[::]:80\" collides with \":80\": "
	  "only one of the two can be listened on\n" },
	{ "[server]\nlisten = :80 name=a\n\nlisten = 127.0.0.1:80\n", "f:4: server.listen: \"127.0.0.1:80\" collides with "
	  "\":80 name=a\": only one of the two can be listened on\n" },
	{ "[server]\nlisten = 127.0.0.1:80\nlisten = [::1]:80\nlisten = :80\n", "f:4: server.listen: \":80\" collides with "
	  "\"127.0.0.1:80\": only one of the two can be listened on\n" },
	{ "[server]\nlisten = /run/x mode=0600\nlisten = /run/x name=a\n", "f:3: server.listen: \"/run/x name=a\" collides with "
	  "\"/run/x mode=0600\": only one of the two can be listened on\n" },
	{ "[server]\nlisten = /run/reactord/../x.sock\n", "f:2: server.listen: \"/run/reactord/../x.sock\": systemd refuses a "
	  "path with /./, /../ or // in it; write the directory itself, like /run/reactord/http.sock\n" },
	{ "[server]\nlisten = 0.0.0.0:80\nlisten = :80\n", "f:3: server.listen: \":80\" collides with "
	  "\"0.0.0.0:80\": only one of the two can be listened on\n" },

	/* The answer. */
	{ "[response]\nheader = Foo\n", "f:2: response.header: \"Foo\" is not a field, like Retry-After: 60\n" },
	{ "[response]\nheader = Content-Length: 3\n", "f:2: response.header: Content-Length: reactord sets this field "
	  "itself\n" },
	{ "[response]\nheader = A B: c\n", "f:2: response.header: A B: a field name is letters, digits and "
	  "!#$%&'*+-.^_`|~ only\n" },
	{ "[response]\nheader = A: \x01\n", "f:2: response.header: A: a field value has no control characters\n" },
	{ "[response]\ncontent_type = \x01\n", "f:2: response.content_type: \"?\" is no media type, like text/html or "
	  "text/plain; charset=utf-8\n" },
	{ "[response]\nbody = x\nstatus = 204\n", "f:3: response.status: an answer with status 204, 205 or 304 has no "
	  "body\n" },
	{ "[response]\nstatus = 401\n", "f:2: response.status: 401 needs a header WWW-Authenticate\n" },
	{ "[response]\nbody = x\nbody_file = y\n", "f:3: response.body and response.body_file are two bodies; body is set "
	  "in line 2\n" },
	{ "[response]\nbody_file = f\nbody = x\n", "f:3: response.body and response.body_file are two bodies; body_file "
	  "is set in line 2\n" },
	{ "[response]\nbody_file =\n", "f:2: response.body_file: the path is missing\n" },
	{ "[response]\nbody_file = none\n", "f:2: response.body_file: cannot read none: No such file or directory\n" },
	{ "[response]\nbody_file = f.d\n", "f:2: response.body_file: cannot read f.d: Is a directory\n" },

	/* Routes. */
	{ "[route]\nstatus = 200\n", "f:1: [route ]: the path is missing: it is [route /path], [route /prefix/*] or "
	  "[route example.org/path]\n" },
	{ "[route example.org]\n", "f:1: [route example.org]: there is no / in it; a route is [route /path], [route "
	  "/prefix/*] or [route example.org/path], and [route example.org/*] is all of a host\n" },
	{ "[route http://a/]\n", "f:1: [route http://a/]: it is written without http://, like [route example.org/path]\n" },
	{ "[route /a on]\n", "f:1: [route /a on]: there is a blank in it; in a path it is written %20, and for a listener's name it is "
	  "[route /path on NAME]\n" },
	{ "[route a:80/]\n", "f:1: [route a:80/]: what stands before the first / is no host, which has neither a port nor "
	  "a *\n" },
	{ "[route /a?b]\n", "f:1: [route /a?b]: only the path is compared; a ? in a path is written %3F, a # %23\n" },
	{ "[route *.a/b]\n", "f:1: [route *.a/b]: a host has no *; each host has a route of its own\n" },
	{ "[route /a]\nheader = ETag: v1\n", "f:2: route /a.header: ETag: an entity tag has quotation marks, like \"v1\" "
	  "or W/\"v1\"\n" },
	{ "[route /a]\nheader = Last-Modified: yesterday\n", "f:2: route /a.header: Last-Modified: a date is written like "
	  "Sun, 06 Nov 1994 08:49:37 GMT\n" },
	{ "[route /a*b]\n", "f:1: [route /a*b]: a * can stand at the end only; a * in a path is written %2A\n" },
	{ "[route /a]\nstatsu = 200\n", "f:2: unknown key \"statsu\" in [route /a]; did you mean status?\n" },
	{ "[route /a]\nstatus = 99\n", "f:2: route /a.status: 99 is out of range, which is 200 to 599\n" },
	{ "[route /a]\nstatus = 201\n[route /b/../a]\nstatus = 202\n", "f:4: route /a.status is set twice in this file; "
	  "it was set in line 2\n" },
	{ "[response]\nenable_if_exists = /x\n", "f:2: unknown key \"enable_if_exists\" in [response]; did you mean "
	  "[route] enable_if_exists?\n" },
	{ "[maintenance]\nbody = x\n", "f:1: maintenance.enable_if_exists: it is missing; name the file whose being there "
	  "turns maintenance on\n" },
	{ "[maintenance now]\n", "f:1: [maintenance now]: nothing stands behind maintenance\n" },
	{ "[maintenance of x]\n", "f:1: [maintenance of x]: nothing stands behind maintenance\n" },
	{ "[listen]\n", "f:1: [listen]: it is empty; a name is for example admin\n" },
	{ "[listen a b]\n", "f:1: [listen a b]: a name has letters, digits, - _ and . only, and begins with none of the "
	  "latter two\n" },
	{ "[listen a]\nenable_if_exists = /x\n", "f:2: unknown key \"enable_if_exists\" in [listen a]; did you mean [route] "
	  "enable_if_exists?\n" },
	{ "[route /a on b,c]\n", "f:1: [route /a on b,c]: a name has letters, digits, - _ and . only, and "
	  "begins with none of the latter two\n" },
	{ "[route on a]\n", "f:1: [route ]: the path is missing: it is [route /path], [route /prefix/*] or [route "
	  "example.org/path]\n" },
	{ "[route /a on b]\nstatus = 201\n[route /a]\nstatus = 202\n[route /x/../a  on  b]\nstatus = 203\n",
	  "f:6: route /a on b.status is set twice in this file; it was set in line 2\n" },
	{ "[server]\nlisten = :80 name=a b\n", "f:2: server.listen: \":80 name=a b\": only name=NAME can follow the port\n" },
	{ "[response /a]\n", "f:1: [response /a]: nothing stands behind response\n" },
	{ "[error]\n", "f:1: [error ]: it is [error STATUS], with a status from 400 to 599, like [error 404]\n" },
	{ "[error 200]\n", "f:1: [error 200]: it is [error STATUS], with a status from 400 to 599, like [error 404]\n" },
	{ "[error 404]\nstatus = 404\n", "f:2: unknown key \"status\" in [error 404]; did you mean [response] status?\n" },
	{ "[error 404]\nheader = A: ${host}\n", "f:2: error 404.header: A: an error is answered also when there is no "
	  "request to repeat something of, so it has no variables\n" },
	{ "[error 401]\n", "f:1: error 401.status: 401 needs a header WWW-Authenticate\n" },
	{ "[route /a]\nheader = Location: /a\nheader = Link: <a>\nheader = Link: <b>\nheader = location: /b\n",
	  "f:5: route /a.header: location: an answer has it only once\n" },
	{ "[route /a]\nheader = Location: ${hots}\n", "f:2: route /a.header: Location: ${...} names no variable; there are "
	  "${host}, ${path}, ${query}, ${target} and ${request_id}, and $${ stands for ${\n" },
	{ "[route /a]\nmethods = ANY\n", "f:2: route /a.methods: \"ANY\" stands alone, in small letters: methods = any\n" },
	{ "[route /a]\nmethods = GET, post\n", "f:2: route /a.methods: \"post\" has small letters; methods are "
	  "case-sensitive, write GET, POST\n" },
	{ "[route /a]\nmethods = GET POST\n", "f:2: route /a.methods: \"GET POST\" is no method; they are written like "
	  "GET, POST\n" },
	{ "[route /a]\nmethods =\n", "f:2: route /a.methods: \"\" is no method; they are written like GET, POST\n" },
	{ "[route /a]\nmethods = TRACE\n", "f:2: route /a.methods: \"TRACE\" is never served\n" },
	{ "[route /a]\nother_methods = 404\n", "f:2: route /a.other_methods: \"404\" is not 405 or 501; did you mean "
	  "405?\n" },
	{ "[route /a]\ndelay = 2h\n", "f:2: route /a.delay: 2h is out of range, which is 0ms to 1h\n" },
	{ "[route /a]\ngzip = true\n", "f:2: route /a.gzip: \"true\" is not no or yes\n" },
	{ "[route /a]\ngzip = yes\nheader = ETag: \"x\"\n", "f:2: route /a.gzip: two representations cannot have one ETag; "
	  "leave out the header ETag\n" },
	{ "[route /a]\ngzip = yes\nheader = Content-Encoding: br\n", "f:2: route /a.gzip: the body is compressed already, "
	  "says header Content-Encoding\n" },
	{ "[route /a]\nbody_file = none\n", "f:2: route /a.body_file: cannot read none: No such file or directory\n" },
	{ "[route /a]\nenable_if_exists =\n", "f:2: route /a.enable_if_exists: the path is missing\n" },

	/* Lines. */
	{ "[server]\nworkers = 2\nbacklog = 1\n\nworkers = 2\nworkers = 2\n", "f:5: server.workers is set twice in this "
	  "file; it was set in line 2\nf:6: server.workers is set twice in this file; it was set in line 2\n" },
	{ "[server]\nworkers = 2\n[log]\n[server]\nworkers = 2\n", "f:5: server.workers is set twice in this file; it was "
	  "set in line 2\n" },
	{ "[server]\nworkers = 2\n # two\n", "f:3: this line begins with a blank, so it continues the value of workers, "
	  "which has one line only; settings and comments begin in the first column\n" },
	{ "[server]\nworkers =\n ; how many\n 2\n", "f:3: this line begins with a blank, so it continues the value of "
	  "workers, which has one line only; settings and comments begin in the first column\n" },
	{ "[server]\nworkers = 2\n backlog = 3\n", "f:3: this line begins with a blank, so it continues the value of "
	  "workers, which has one line only; settings and comments begin in the first column\n" },
	{ "[response]\nstatus = 503\n\n\tcontent_type = text/plain\n\tbody = x\n", "f:4: this line begins with a blank, "
	  "so it continues the value of status, which has one line only; settings and comments begin in the first "
	  "column\n" },
	{ "[response]\ncontent_type = text/html\n # a comment\nheader =\n A: b\n body = x\n", "f:3: this line begins with "
	  "a blank, so it continues the value of content_type, which has one line only; settings and comments begin in "
	  "the first column\nf:6: this line begins with a blank, so it continues the value of header, which has one line "
	  "only; settings and comments begin in the first column\n" },
	{ "[response]\nbody = x\n \"c\n", "f:3: a text that begins with a quotation mark must end with one (the "
	  "outer pair is removed; put one more pair around a text that has its own)\n" },
};

START_TEST(a_mistake_is_told_with_its_line_and_what_would_be_right)
{
	ck_assert_int_eq(load_text(wrong[_i].file), -EINVAL);
	ck_assert_str_eq(mistakes, wrong[_i].mistakes);
}
END_TEST

static const struct {
	const char *text;
	bool good;
} media_types[] = {
	{ "text/html", true }, { "", true }, { "application/vnd.a+json", true }, { "!#$%&'*+-.^_`|~/0", true },
	{ "text/html; charset=utf-8", true }, { "text/html;charset=utf-8;a=b", true }, { "a/b \t;\t c=d", true },
	{ "a/b;", true }, { "a/b; ;; c=d", true },		/* parameters may be empty */
	{ "a/b; c=\"d; e \\\" \\\\\"", true }, { "a/b; c=\"\"", true }, { "a/b; c=\"\xff\"; d=e", true },
	{ "html", false }, { "text/", false }, { "/html", false }, { "text /html", false }, { "text/html/x", false },
	{ "text/html, a/b", false }, { "text/html utf-8", false }, { "text/html charset=utf-8", false },
	{ "\" text/html\"", false }, { "\"text/html \"", false }, { "\"\"text/html\"\"", false }, { "text\xff/html", false },
	{ "a/b; charset", false }, { "a/b; c = d", false }, { "a/b; =d", false }, { "a/b; c=", false },
	{ "a/b; c=d e", false }, { "a/b; c=\"d", false }, { "a/b; c=\"d\\\"", false }, { "a/b; c=\"d\"e", false },
	{ "a/b; c=\"\x01\"", false }, { "a/b; c=\"\\\x01\"", false }, { "a/b; c=\"\\", false },
};

START_TEST(a_content_type_is_a_media_type)
{
	char text[128];

	snprintf(text, sizeof text, "[response]\ncontent_type = %s\n", media_types[_i].text);
	ck_assert_msg((load_text(text) == 0) == media_types[_i].good, "%s: %s", text, mistakes);
	ck_assert(media_types[_i].good || strstr(mistakes, "f:2: response.content_type: "));
}
END_TEST

START_TEST(all_mistakes_of_all_sources_are_told_in_one_pass)
{
	put("f", "x = 1\n[server]\nworkers = none\nbacklog\n[limit]\nmax_body = ?\n[log]\nlevel = loud\n");
	put("f.d/1.conf", "[log]\naccess = some\n");
	ck_assert_int_eq(load_with(main_file, (const char *[]) { "::1:80", NULL }, "log.level=quiet", "workers", NULL),
			 -EINVAL);
	ck_assert_str_eq(mistakes,
			 "f:1: \"x\" stands before the first [section]\n"
			 "f:3: server.workers: \"none\" is neither auto nor a number from 1 to 256\n"
			 "f:4: there is no = in the line; a setting is written key = value, and a line that continues a "
			 "value begins with a blank\n"
			 "f:5: unknown section [limit]; did you mean [limits]?\n"
			 "f:8: log.level: \"loud\" is not error, warning, notice, info or debug\n"
			 "f.d/1.conf:2: log.access: \"some\" is not off, errors, sample=N or all\n"
			 "command line: log.level: \"quiet\" is not error, warning, notice, info or debug\n"
			 "command line: -o workers: it is written -o section.key=value\n"
			 "command line: server.listen: \"::1:80\": an IPv6 address is written in brackets, with the port "
			 "behind: [::1]:8000\n");
}
END_TEST

START_TEST(mistakes_are_told_in_the_order_of_lines_whenever_they_are_found)
{
	put("f", "[response]\nbody_file = none\nheader = Date: x\n");
	put("f.d/a.conf", "[log]\n\nlevel = x\n");
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:2: response.body_file: cannot read none: No such file or directory\n"
			 "f:3: response.header: Date: reactord sets this field itself\n"
			 "f.d/a.conf:3: log.level: \"x\" is not error, warning, notice, info or debug\n");
}
END_TEST

START_TEST(a_file_of_rubbish_does_not_fill_the_memory)
{
	char *text = malloc(20001);

	for (size_t i = 0; i < 20000; i += 2)
		memcpy(text + i, "x\n", 3);
	ck_assert_int_eq(load_text(text), -EINVAL);
	ck_assert_uint_eq(errors.n, 1001);
	ck_assert_str_eq(errors.at[1000].message, "there are more mistakes than these");
	free(text);
}
END_TEST

START_TEST(a_message_shows_only_the_beginning_of_a_long_value)
{
	char text[1024] = "[log]\nlevel = ";

	memset(text + strlen(text), 'x', 500);
	ck_assert_int_eq(load_text(text), -EINVAL);
	ck_assert_uint_lt(strlen(mistakes), 200);
	ck_assert_ptr_nonnull(strstr(mistakes, "xxx..."));
}
END_TEST

static const struct {
	const char *value, *shown;
} shown[] = {
	{ "\x01\x1f\x7f\x1b[31mred", "????[31mred" },
	{ "a\tb", "a?b" },
	{ "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80", "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "\xc2\x9b" "31m", "??31m" },			/* C1: CSI in one character */
	{ "\xc2\xa0", "\xc2\xa0" },
	{ "\x9b\xff\x80", "???" },			/* no first bytes */
	{ "\xc3", "?" }, { "\xc3(", "?(" }, { "\xe2\x82", "??" }, { "\xf0\x9f\x98" "a", "???a" },	/* cut short */
	{ "\xc0\x9b", "??" }, { "\xe0\x9f\xbf", "???" }, { "\xf0\x8f\xbf\xbf", "????" },	/* too long */
	{ "\xed\xa0\x80", "???" }, { "\xf4\x90\x80\x80", "????" }, { "\xf5\x80\x80\x80", "????" },
	{ "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
};

START_TEST(a_message_has_no_bytes_that_a_terminal_would_obey)
{
	char text[256], expected[256];

	snprintf(text, sizeof text, "[log]\nlevel = x%sx\n", shown[_i].value);
	snprintf(expected, sizeof expected, "f:2: log.level: \"x%sx\" is not error, warning, notice, info or debug\n",
		 shown[_i].shown);
	ck_assert_int_eq(load_text(text), -EINVAL);
	ck_assert_str_eq(mistakes, expected);
}
END_TEST

START_TEST(nor_is_there_any_in_names_of_files_keys_and_sections)
{
	put("f", "[\x1b]\n[log]\n\x1b = x\n");
	put("f.d/\x1b\xff.conf", "x = y\n");
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:1: unknown section [?]; there are [server], [response], [listen NAME], [route PATH], "
			 "[maintenance], [error STATUS], [limits] and [log]\n"
			 "f:3: \"?\" is no key: letters, digits, _ and - make one\n"
			 "f.d/??.conf:1: \"x\" stands before the first [section]\n");
}
END_TEST

START_TEST(a_value_is_not_cut_in_the_middle_of_a_character)
{
	char text[256] = "[log]\nlevel = xxxxxxxxx";

	for (int i = 0; i < 50; i++)
		strcat(text, "\xc3\xbc");		/* the 60th byte would be the first of two */
	ck_assert_int_eq(load_text(text), -EINVAL);
	ck_assert_ptr_nonnull(strstr(mistakes, "\xc3\xbc...\""));
	ck_assert_ptr_null(strchr(mistakes, '?'));
}
END_TEST

START_TEST(later_files_replace_what_earlier_ones_set)
{
	put("f", "[server]\nworkers = 2\nbacklog = 20\nlisten = :1\nlisten = :2\n[response]\nheader = A: 1\n");
	put("f.d/10.conf", "[server]\nworkers = 3\n[response]\nheader = B: 1\nheader = B: 2\n");
	put("f.d/9.conf", "[server]\nworkers = 4\nlisten = :3\n");	/* "10" < "9" byte by byte */
	put("f.d/.hidden.conf", "a mistake\n");
	put("f.d/x.conf~", "a mistake\n");
	put("f.d/README", "no configuration\n");
	must(load());
	ck_assert_uint_eq(conf->workers, 4);
	ck_assert_uint_eq(conf->backlog, 20);
	ck_assert_uint_eq(conf->n_listen, 1);
	ck_assert_str_eq(conf->listen[0].text, ":3");
	ck_assert_uint_eq(conf->answers[0]->answer.n_fields, 2);
	ck_assert(slice_equal(conf->answers[0]->answer.fields[0].name, SLICE("B")));
}
END_TEST

START_TEST(capital_letters_come_first_whatever_the_locale)
{
	put("f", "");
	put("f.d/B.conf", "[server]\nworkers = 2\n");
	put("f.d/a.conf", "[server]\nworkers = 3\n");
	must(load());
	ck_assert_uint_eq(conf->workers, 3);
}
END_TEST

START_TEST(a_link_to_dev_null_masks_a_file)
{
	put("f", "");
	ck_assert_int_eq(symlink("/dev/null", in_directory("f.d/a.conf")), 0);
	must(load());
}
END_TEST

START_TEST(what_cannot_be_read_is_a_mistake)
{
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f: cannot be read: No such file or directory\n");

	ck_assert_int_eq(load_with(in_directory("f.d"), NULL, NULL), -EINVAL);
	ck_assert_str_eq(mistakes, "f.d: cannot be read: Is a directory\n");

	put("f", "");
	ck_assert_int_eq(symlink("none", in_directory("f.d/a.conf")), 0);
	ck_assert_int_eq(mkdir(in_directory("f.d/b.conf"), 0700), 0);
	ck_assert_int_eq(mkfifo(in_directory("f.d/c.conf"), 0600), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f.d/a.conf: cannot be read: No such file or directory\n"
			 "f.d/b.conf: cannot be read: Is a directory\n"
			 "f.d/c.conf: cannot be read: it is no regular file\n");
}
END_TEST

START_TEST(a_file_in_place_of_the_directory_is_a_mistake)
{
	put("f", "");
	ck_assert_int_eq(rmdir(in_directory("f.d")), 0);
	put("f.d", "");
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f.d: cannot be read: Not a directory\n");
}
END_TEST

START_TEST(a_file_that_need_not_exist_leaves_the_defaults)
{
	struct conf_source source = { .file = main_file };

	ck_assert_int_eq(conf_load(&conf, &source, &errors), 0);
	ck_assert_str_eq(conf->listen[0].text, "127.0.0.1:8000");
}
END_TEST

START_TEST(overrides_replace_what_files_say)
{
	put("f", "[server]\nworkers = 2\nlisten = :1\n[response]\nheader = A: 1\nbody = x\n");
	put("page", "from a file");
	must(load_with(main_file, NULL, "server.workers=7", " server.workers = 8", "response.header=B: 1",
		       "response.header=C: 1", "response.body=\"  a\nb \"", NULL));
	ck_assert_uint_eq(conf->workers, 8);
	ck_assert_uint_eq(conf->answers[0]->answer.n_fields, 2);
	ck_assert(slice_equal(conf->answers[0]->answer.fields[0].name, SLICE("B")));
	ck_assert(slice_equal(conf->answers[0]->answer.fields[1].name, SLICE("C")));
	ck_assert_str_eq(all_of(conf->answers[0]->answer.body), "  a\nb ");
	ck_assert_str_eq(conf->listen[0].text, ":1");
}
END_TEST

static const struct {
	const char *override, *mistake;
} wrong_overrides[] = {
	{ "", "-o : it is written -o section.key=value" },
	{ "workers=2", "-o workers=2: it is written -o section.key=value" },
	{ "server.workers", "-o server.workers: it is written -o section.key=value" },
	{ "sever.workers=2", "unknown section [sever]; did you mean [server]?" },
	{ "server.worker=2", "unknown key \"worker\" in [server]; did you mean workers?" },
	{ "server.max_body=2", "unknown key \"max_body\" in [server]; did you mean [limits] max_body?" },
	{ "server.workers=x", "server.workers: \"x\" is neither auto nor a number from 1 to 256" },
	{ "response.header=A: b\nC: d", "response.header: the value has more than one line" },
	{ "server.listen=/run/a\nb", "server.listen: the value has more than one line" },
	{ "response.status=204", "response.status: an answer with status 204, 205 or 304 has no body" },
};

START_TEST(overrides_are_checked_like_files)
{
	char expected[256];

	put("f", "[response]\nbody = x\n");
	ck_assert_int_eq(load_with(main_file, NULL, wrong_overrides[_i].override, NULL), -EINVAL);
	snprintf(expected, sizeof expected, "command line: %s\n", wrong_overrides[_i].mistake);
	ck_assert_str_eq(mistakes, expected);
}
END_TEST

START_TEST(listen_of_the_command_line_stands_in_place_of_all_other)
{
	put("f", "[server]\nlisten = :1\nlisten = :2\n");
	must(load_with(main_file, (const char *[]) { ":4", ":5", NULL }, "server.listen=:3", NULL));
	ck_assert_uint_eq(conf->n_listen, 2);
	ck_assert_str_eq(conf->listen[0].text, ":4");
	ck_assert_str_eq(conf->listen[1].text, ":5");
	ck_assert(conf->listen_is_set);
}
END_TEST

START_TEST(a_line_that_could_not_be_dumped_is_a_mistake)
{
	static char override[80000];

	strcpy(override, "response.body=a\n");
	memset(override + strlen(override), 'x', 65537);
	ck_assert_int_eq(load_with(NULL, NULL, override, NULL), -EINVAL);
	ck_assert_str_eq(mistakes, "command line: response.body: a line of it has more than 65536 bytes; put it into a "
			 "file, with body_file\n");
}
END_TEST

START_TEST(a_value_of_the_command_line_is_no_longer_than_a_line)
{
	static char override[80000];

	snprintf(override, sizeof override, "response.header=A: %070000d", 0);
	ck_assert_int_eq(load_with(NULL, NULL, override, NULL), -EINVAL);
	ck_assert_str_eq(mistakes, "command line: response.header: the value has more than 65536 bytes\n");
}
END_TEST

START_TEST(lists_have_an_end_that_is_told_once)
{
	FILE *file = fopen(main_file, "w");

	fprintf(file, "[server]\n");
	for (int i = 1; i <= 1300; i++)
		fprintf(file, "listen = 127.0.0.1:%d\n", i);
	fprintf(file, "[response]\n");
	for (int i = 1; i <= 1003; i++)
		fprintf(file, "header = A:\n");
	fclose(file);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:258: server.listen is set more than 256 times\n"
			 "f:2303: response.header is set more than 1000 times\n");
}
END_TEST

/* The kernel chooses another each time. */
START_TEST(port_0_may_be_asked_for_twice)
{
	must(load_text("[server]\nlisten = 127.0.0.1:0\nlisten = 127.0.0.1:0\nlisten = [::1]:0\nlisten = [::1]:0\n"));
	ck_assert_uint_eq(conf->n_listen, 4);
}
END_TEST

static const struct {
	const char *file, *body;
} bodies[] = {
	{ "body =\n", "" },
	{ "body = \"\"\n", "" },
	{ "body = a\n", "a" },
	{ "body = a ; b # c\n", "a ; b # c" },
	{ "body = a\n b\n\tc\n", "a\nb\nc" },
	{ "body =\n a\n b\n", "a\nb" },
	{ "body =\n\n\n a\n b\n", "a\nb" },			/* the value begins with its first text */
	{ "body = \"\"\n a\n", "\na" },
	{ "body =\n \"\"\n a\n", "\na" },
	{ "body = a\n\n\n b\n\n# comment\n", "a\n\n\nb" },		/* empty lines inside belong to it */
	{ "body = a\n \"\"\n", "a\n" },
	{ "body = a\n \"  b\t\"\n", "a\n  b\t" },
	{ "body = a\n #main { }\n ; b\n", "a\n#main { }\n; b" },
	{ "body = {\"a\": \"b\"}\n", "{\"a\": \"b\"}" },
	{ "body = \"\"quoted\"\"\n", "\"quoted\"" },
};

START_TEST(a_body_may_have_lines)
{
	char text[256];

	snprintf(text, sizeof text, "[response]\n%s", bodies[_i].file);
	must(load_text(text));
	ck_assert_str_eq(all_of(conf->answers[0]->answer.body), bodies[_i].body);
}
END_TEST

START_TEST(any_value_may_be_on_the_line_below)
{
	must(load_text("[server]\nlisten =\n\n\t/x;y\n[response]\nheader =\n\tA: b ; c\ncontent_type =\n text/plain\n"));
	ck_assert_str_eq(conf->listen[0].text, "/x;y");
	ck_assert(slice_equal(conf->answers[0]->answer.fields[0].value, SLICE("b ; c")));
	ck_assert(slice_equal(conf->answers[0]->answer.content_type, SLICE("text/plain")));
}
END_TEST

START_TEST(a_status_without_content_needs_no_empty_body)
{
	must(load_text("[response]\nstatus = 204\n"));
	ck_assert_uint_eq(conf->answers[0]->answer.body.length, 0);
	ck_assert_uint_eq(conf->answers[0]->answer.content_type.length, 0);
}
END_TEST

START_TEST(a_body_file_is_read_from_beside_the_file_that_names_it)
{
	char expected[128];

	put("f", "[response]\nbody = replaced\n");
	put("f.d/a.conf", "[response]\nbody_file = page.html\n");
	put_bytes("f.d/page.html", "a\0b\n", 4);
	must(load());
	ck_assert_uint_eq(conf->answers[0]->answer.body.length, 4);
	ck_assert_int_eq(memcmp(conf->answers[0]->answer.body.at, "a\0b\n", 4), 0);
	snprintf(expected, sizeof expected, "%s/f.d/page.html", directory);
	ck_assert_str_eq(conf->answers[0]->body_file, expected);
}
END_TEST

START_TEST(a_body_replaces_a_body_file_that_is_not_there)
{
	put("f", "[response]\nbody_file = none\n");
	put("f.d/a.conf", "[response]\nbody = x\n");
	must(load());
	ck_assert_ptr_null(conf->answers[0]->body_file);
	ck_assert_str_eq(all_of(conf->answers[0]->answer.body), "x");
}
END_TEST

START_TEST(a_relative_path_is_made_absolute)
{
	char expected[128], *here = getcwd(NULL, 0);

	put("f", "[response]\nbody_file = page\n");
	put("page", "x");
	ck_assert_int_eq(chdir(directory), 0);
	must(load_with("f", NULL, NULL));
	snprintf(expected, sizeof expected, "%s/page", directory);
	ck_assert_str_eq(conf->answers[0]->body_file, expected);
	must(load_with(NULL, NULL, "response.body_file=page", NULL));
	ck_assert_str_eq(conf->answers[0]->body_file, expected);
	ck_assert_int_eq(chdir(here), 0);
	free(here);
}
END_TEST

START_TEST(a_fifo_is_no_body)
{
	put("f", "[response]\nbody_file = fifo\n");
	ck_assert_int_eq(mkfifo(in_directory("fifo"), 0600), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:2: response.body_file: cannot read fifo: it is no regular file\n");
}
END_TEST

START_TEST(a_body_has_at_most_64_mib)
{
	put("f", "[response]\nbody_file = page\n");
	put("page", "");
	ck_assert_int_eq(truncate(in_directory("page"), CONF_BODY_MAX), 0);
	must(load());
	ck_assert_uint_eq(conf->answers[0]->answer.body.length, CONF_BODY_MAX);
	ck_assert_int_eq(truncate(in_directory("page"), CONF_BODY_MAX + 1), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:2: response.body_file: cannot read page: it has more than 64M\n");
}
END_TEST

/* Of three pages of 400 KiB the third is too much for 1 MiB; the one of [error 404], which two answers have, counts once,
 * and what comes behind is not read. */
START_TEST(all_bodies_together_have_a_limit)
{
	struct conf_source source = { .file = main_file, .image_max = 1024 * 1024 };

	put("page", "");
	ck_assert_int_eq(truncate(in_directory("page"), 400 * 1024), 0);
	put("f", "[error 404]\nbody_file = page\n[route /a]\nstatus = 404\n[route /b]\nstatus = 404\n"
	    "[route /c]\nbody_file = page\n");
	forget();
	must(conf_load(&conf, &source, &errors));
	put("f.d/a.conf", "[route /d]\nbody_file = ../page\n[route /e]\nbody_file = none\n");
	forget();
	ck_assert_int_eq(conf_load(&conf, &source, &errors), -EINVAL);
	write_mistakes_down();
	ck_assert_str_eq(mistakes, "f.d/a.conf:1: [route /d]: up to this one all heads and bodies together have more than 1M; "
			 "make some bodies smaller, or leave out gzip = yes, which keeps a second copy\n");
}
END_TEST

START_TEST(a_compressed_copy_counts_as_well)
{
	struct conf_source source = { .file = main_file, .image_max = 1024 * 1024 };
	static char noise[600 * 1024];
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof noise; i++) {
		state = state * 1664525 + 1013904223;
		noise[i] = (char) ('0' + (state >> 24) % 64);	/* of 6 bits in 8: the copy is a quarter shorter */
	}
	put_bytes("page", noise, sizeof noise);
	put("f", "[route /a]\nbody_file = page\n");
	forget();
	must(conf_load(&conf, &source, &errors));
	put("f", "[route /a]\nbody_file = page\ngzip = yes\n");
	forget();
	ck_assert_int_eq(conf_load(&conf, &source, &errors), -EINVAL);
}
END_TEST

/* 400 answers with two heads of 15 KiB, in three forms each. */
START_TEST(all_heads_count_as_well)
{
	struct conf_source source = { .file = main_file, .image_max = 30 * 1024 * 1024 };
	FILE *file = fopen(main_file, "w");

	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 400; i++)
		fprintf(file, "[route /%d]\nheader = A: %014000d\n", i, 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(conf_load(&conf, &source, &errors), -EINVAL);
	ck_assert_uint_eq(errors.n, 1);
	source.image_max = 0;
	forget();
	must(conf_load(&conf, &source, &errors));
}
END_TEST

static void count_call(void *arg)
{
	(*(unsigned *) arg)++;
}

/* Two are read, one of them compressed as well; one is compressed alone, and one is neither. */
START_TEST(who_loads_hears_of_each_body)
{
	unsigned calls = 0;
	struct conf_source source = { .file = main_file, .went_on = count_call, .arg = &calls };

	put("page", "page");
	put("f", "[error 404]\nbody_file = page\n[route /a]\nbody_file = page\ngzip = yes\n[route /b]\ngzip = yes\nbody = "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n[route /c]\nbody = x\n");
	ck_assert_int_eq(conf_load(&conf, &source, &errors), 0);
	ck_assert_uint_eq(calls, 3);
}
END_TEST

/* Files of /proc say that they have no bytes. */
START_TEST(a_file_that_does_not_know_its_size_is_read_to_its_end)
{
	must(load_text("[response]\nbody_file = /proc/self/status\n"));
	ck_assert_uint_gt(conf->answers[0]->answer.body.length, 100);
}
END_TEST

START_TEST(a_head_that_could_not_be_sent_is_a_mistake)
{
	FILE *file = fopen(main_file, "w");

	fprintf(file, "[response]\nheader = A: %020000d\n", 0);
	fclose(file);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(mistakes, "f:2: response.header: all fields together have more than 15 KiB, or 8 KiB with "
			 "variables in them\n");
}
END_TEST

static const char *const dumped[] = {
	"",
	"[server]\nlisten = :80\nlisten = [::1]:81\nlisten = /run/x mode=0600\nworkers = 3\nexecutor = threaded\n",
	"[server]\nlisten = 127.0.0.1:8000\ndrain_timeout = 0\n",
	"[response]\nstatus = 204\n",
	"[response]\nstatus = 503\nheader = A: b ; c\nheader = B:\nheader = \"C: \"\nheader = D: \"quoted\"\n",
	"[response]\ncontent_type =\nbody =\n",
	"[response]\nbody = \"  a \"\n",
	"[response]\nbody = \"\"a\"\"\n",
	"[response]\nbody = # a\n",
	"[response]\nbody = a\n\n \"\"\n \" # b\"\n # c\n \"\r\"\n \"\"\n",
	"[response]\nbody = \"\"\n \"\"\n",
	"[response]\nbody = \"\"\n \"\"\n \"\"\n",
	"[response]\nbody =\n\ta = b\n\t[c]\n",
	"[response]\nbody_file = f\n",
	"[limits]\nmax_body = 1025\nmax_header = 2k\nidle_timeout = 61\nheader_timeout = 1500ms\nbody_timeout = 120\n",
	"[log]\nlevel = error\naccess = errors\n",
	"[log]\nlevel = notice\naccess = sample=3\n",
	"[log]\nlevel = warning\naccess = all\n",
};

START_TEST(a_dump_is_read_back_to_the_same)
{
	char *first, *second, *body;
	bool listen_is_set;
	size_t length;

	must(load_text(dumped[_i]));
	first = dump(conf);
	listen_is_set = conf->listen_is_set;
	length = conf->answers[0]->answer.body.length;
	body = malloc(length + 1);
	memcpy(body, conf->answers[0]->answer.body.at, length);

	put("g", first);
	must(load_with(in_directory("g"), NULL, NULL));
	second = dump(conf);
	ck_assert_str_eq(first, second);
	ck_assert_int_eq(conf->listen_is_set, listen_is_set);
	ck_assert_uint_eq(conf->answers[0]->answer.body.length, length);
	ck_assert_int_eq(memcmp(conf->answers[0]->answer.body.at, body, length), 0);
	free(first);
	free(second);
	free(body);
}
END_TEST

START_TEST(the_longest_line_can_be_dumped)
{
	FILE *file = fopen(main_file, "w");
	char *first, *second;

	fprintf(file, "[response]\nbody = \" %065534d \"\n\t%065536d\n", 0, 0);
	fclose(file);
	must(load());
	ck_assert_uint_eq(conf->answers[0]->answer.body.length, 2 * 65536 + 1);
	first = dump(conf);
	put("g", first);
	must(load_with(in_directory("g"), NULL, NULL));
	second = dump(conf);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}
END_TEST

#define SOCKETS "`systemctl daemon-reload && systemctl restart reactord.socket reactord`"

static const struct {
	const char *running, *wanted, *mistakes;
} restarts[] = {
	{ "[server]\n", "[server]\ndrain_timeout = 1\nidle_exit = 1m\n[limits]\nmax_connections = 5\nmax_body = 1\n", "" },
	{ "[server]\n", "[server]\nlisten = 127.0.0.1:8000\n", "" },		/* the default, said */
	{ "[server]\nlisten = :1\nlisten = :2\n", "[server]\nlisten = :2\nlisten = :1\n", "" },
	{ "[server]\nlisten = [::]:1\nlisten = 0.0.0.0:1\n", "[server]\nlisten = :1\n", "" },
	{ "[server]\nworkers = 2\n", "[server]\n\nworkers = 4\n",
	  "g:3: server.workers = 4 in place of 2 needs `systemctl restart reactord`\n" },
	{ "[server]\nworkers = 2\n", "",
	  "file: server.workers = auto in place of 2 needs `systemctl restart reactord`\n" },
	{ "", "[server]\nexecutor = threaded\nbacklog = 1\n",
	  "g:2: server.executor = threaded in place of inline needs `systemctl restart reactord`\n"
	  "g:3: server.backlog = 1 in place of 4096 needs " SOCKETS "\n" },
	{ "[server]\nlisten = :1\nlisten = :2\n", "[server]\nlisten = :1\n",
	  "g:2: server.listen = :1 in place of :1, :2 needs " SOCKETS "\n" },
	{ "", "[limits]\nmax_connections = 20000\n[server]\nbacklog = 1\nworkers = 2\n",		/* by line, not by key */
	  "g:2: limits.max_connections = 20000 in place of 10000 needs `systemctl restart reactord`: it is more than the "
	  "daemon was started with\n"
	  "g:4: server.backlog = 1 in place of 4096 needs " SOCKETS "\n"
	  "g:5: server.workers = 2 in place of auto needs `systemctl restart reactord`\n" },
	{ "[server]\nlisten = /run/x mode=0600\n", "[server]\nlisten = /run/x mode=0660\n",
	  "g:2: server.listen = /run/x mode=0660 in place of /run/x mode=0600 needs " SOCKETS "\n" },
	{ "[server]\nlisten = :1 name=a\n", "[server]\nlisten = :1 name=b\n",
	  "g:2: server.listen = :1 name=b in place of :1 name=a needs " SOCKETS "\n" },
	{ "[server]\nlisten = :1\n", "[server]\nlisten = :1 name=http\n", "" },		/* the default, said */
	{ "[limits]\nmax_connections = 10\n", "[limits]\nmax_connections = 11\n",
	  "g:2: limits.max_connections = 11 in place of 10 needs `systemctl restart reactord`: it is more than the "
	  "daemon was started with\n" },
};

START_TEST(what_needs_a_restart_is_told)
{
	struct conf *running;
	size_t n;

	put("g", restarts[_i].wanted);
	must(load_text(restarts[_i].running));
	running = conf;
	conf = NULL;
	must(load_with(in_directory("g"), NULL, NULL));
	n = conf_needs_restart(running, conf, "file", &errors);
	conf_free(running);
	ck_assert_uint_eq(n, errors.n);
	free(mistakes);
	write_mistakes_down();
	ck_assert_str_eq(mistakes, restarts[_i].mistakes);
}
END_TEST

START_TEST(a_limit_that_was_lowered_can_be_raised_to_what_the_daemon_was_started_with)
{
	struct conf *running;

	must(load_text("[limits]\nmax_connections = 10\n"));
	running = conf;
	conf = NULL;
	running->limits.max_connections = 5;
	must(load());
	ck_assert_uint_eq(conf_needs_restart(running, conf, "file", &errors), 0);
	must(load_text("[limits]\nmax_connections = 11\n"));
	ck_assert_uint_eq(conf_needs_restart(running, conf, "file", &errors), 1);
	conf_free(running);
}
END_TEST

START_TEST(what_needs_a_restart_is_told_of_the_unit_that_it_is)
{
	char unit[CONF_UNIT_MAX];

	ck_assert_str_eq(conf_unit("/etc/reactord.conf", unit), "reactord");
	ck_assert_str_eq(conf_unit(SYSCONFDIR "/reactord/blue.conf", unit), "reactord@blue");
	ck_assert_str_eq(conf_unit(SYSCONFDIR "/reactord/blue.conf.d/x.conf", unit), "reactord");
	ck_assert_str_eq(conf_unit(SYSCONFDIR "/reactord/.conf", unit), "reactord");
	ck_assert_str_eq(conf_unit("/elsewhere/blue.conf", unit), "reactord");
}
END_TEST

/* ---- Names of listeners ---- */

static const struct {
	const char *text, *mistakes;
} named[] = {
	{ "", "" },
	{ "[server]\nlisten = :80 name=other\n", "" },		/* that is for the comparison of addresses */
	{ "[listen http]\n", "f:1: [listen http]: systemd passed admin ([::1]:8001), too, of which nothing is said; write "
	  "[listen admin]\n" },
	{ "[listen admin]\n", "" },				/* http need not be named */
	{ "[route /a on admin]\n", "" },
	{ "[listen http]\n[server]\nlisten = [::1]:8001 name=admin\n", "" },
	{ "\n[listen amdin]\n[maintenance on amdin]\nenable_if_exists = /x\n[route /a on admin]\n",
	  "f:2: [listen amdin]: there is no listener of that name; systemd passed http (127.0.0.1:8000), admin ([::1]:8001), "
	  "admin (/run/x)\n"
	  "f:3: [maintenance on amdin]: there is no listener of that name; systemd passed http (127.0.0.1:8000), admin "
	  "([::1]:8001), admin (/run/x)\n" },
};

START_TEST(a_name_that_only_one_side_has_is_a_mistake_that_names_both)
{
	static const struct named_listener passed[] = {
		{ "http", "127.0.0.1:8000" }, { "admin", "[::1]:8001" }, { "admin", "/run/x" },
	};

	must(load_text(named[_i].text));
	conf_judge_names(conf, passed, 3, "systemd passed", &errors);
	free(mistakes);
	write_mistakes_down();
	ck_assert_str_eq(mistakes, named[_i].mistakes);
}
END_TEST

START_TEST(names_are_compared_with_what_the_daemon_opens_itself)
{
	must(load_text("[server]\nlisten = :80 name=a\nlisten = :81 name=b\n[listen a]\n[listen http]\n"));
	ck_assert(conf_names_listeners(conf));
	conf_judge_own_names(conf, &errors);
	free(mistakes);
	write_mistakes_down();
	ck_assert_str_eq(mistakes, "f:5: [listen http]: there is no listener of that name; server.listen has a (:80 name=a), "
			 "b (:81 name=b)\n");
	must(load_text("[listen http]\n"));
	ck_assert(!conf_names_listeners(conf));
	conf_judge_own_names(conf, &errors);
	ck_assert_uint_eq(errors.n, 0);
}
END_TEST

/* ---- Routes ---- */

static struct route_settings settings;
static const char *const names[] = { "http", "admin" };
enum { n_names = 2 };

static const struct route_setting *setting(size_t number)
{
	conf_routes_free(&settings);
	ck_assert_int_eq(conf_routes(conf, names, n_names, &settings), 0);
	ck_assert_uint_lt(number, settings.n_routes);
	return &settings.routes[number];
}

START_TEST(a_route_is_read)
{
	const struct route_setting *route;

	must(load_text("[route Example.ORG/%61/../b*]\nstatus = 301\nheader = Location: ${target}\nmethods = GET,PUT , X\n"
		       "other_methods = 501\ndelay = 200ms\nbody = moved\nenable_if_exists = /x/y\n"));
	route = setting(1);
	ck_assert(slice_equal(route->host, SLICE("example.org")));
	ck_assert(slice_equal(route->path, SLICE("/b")));
	ck_assert(route->prefix);
	ck_assert_uint_eq(route->answer.status, 301);
	ck_assert_uint_eq(route->answer.n_fields, 1);
	ck_assert(slice_equal(route->methods, SLICE("GET, PUT, X")));
	ck_assert_uint_eq(route->other_methods, 501);
	ck_assert_uint_eq(route->delay_ms, 200);
	ck_assert(slice_equal(route->answer.body, SLICE("moved")));
	ck_assert_int_eq(route->on, 0);
	ck_assert_uint_eq(conf->n_switches, 1);
	ck_assert_str_eq(conf->switches[0], "/x/y");
	ck_assert_uint_eq(setting(0)->answer.status, 200);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(a_section_is_named_in_the_log_as_it_is_written)
{
	must(load_text("[route  Example.ORG/%61/../b*]\nbody = x\n[route\t/a%20b]\nbody = x\n"
		       "[maintenance]\nenable_if_exists = /x\n"));
	ck_assert(slice_equal(setting(0)->section, SLICE("response")));
	ck_assert(slice_equal(setting(1)->section, SLICE("Example.ORG/%61/../b*")));
	ck_assert(slice_equal(setting(2)->section, SLICE("/a%20b")));
	ck_assert(slice_equal(setting(3)->section, SLICE("maintenance")));
	conf_routes_free(&settings);
}
END_TEST

static const struct {
	const char *pattern, *path;
	bool prefix;
} patterns[] = {
	{ "/*", "/", true }, { "/.*", "/.", true }, { "/%2e*", "/.", true }, { "/a/..*", "/a/..", true },
	{ "[::1]/a", "/a", false }, { "/a/../*", "/", true }, { "/a/..", "/", false }, { "/a*", "/a", true },
	{ "/a/*", "/a/", true },
};

START_TEST(a_prefix_may_end_in_dots)
{
	char text[64];

	(void) snprintf(text, sizeof text, "[route h./x]\n[route %s]\n", patterns[_i].pattern);
	must(load_text(text));
	ck_assert(slice_equal(setting(1)->host, SLICE("h")));
	ck_assert_str_eq(all_of(setting(2)->path), patterns[_i].path);
	ck_assert_int_eq(setting(2)->prefix, patterns[_i].prefix);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(sections_can_be_for_listeners_of_a_name)
{
	must(load_text("[listen admin]\nstatus = 201\n[route /a]\nstatus = 404\n[route /a on admin]\nstatus = 402\n"
		       "[route /a\ton http]\nstatus = 403\n[route h/ on gone]\n[maintenance on http]\nenable_if_exists = /x\n"
		       "[maintenance]\nenable_if_exists = /y\n[route /b]\n"));
	ck_assert_uint_eq(setting(0)->name, 0);
	ck_assert(!setting(0)->rest && setting(1)->rest && setting(1)->name == 2);
	ck_assert_str_eq(all_of(setting(1)->answer.body), "Hello");
	ck_assert_uint_eq(setting(2)->name, 0);
	ck_assert_uint_eq(setting(2)->answer.status, 404);
	ck_assert_uint_eq(setting(3)->name, 2);
	ck_assert(slice_equal(setting(3)->path, SLICE("/a")));
	ck_assert_uint_eq(setting(3)->answer.status, 402);
	ck_assert_uint_eq(setting(4)->name, 1);
	ck_assert(setting(5)->all && setting(5)->name == 1);	/* what is for a name that is not there is left out */
	ck_assert(setting(6)->all && setting(6)->name == 0);
	ck_assert(slice_equal(setting(7)->path, SLICE("/b")));
	ck_assert_uint_eq(settings.n_routes, 8);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(a_later_file_replaces_settings_of_a_route_one_by_one)
{
	put("f", "[route /a]\nstatus = 201\nbody = one\nheader = A: b\n");
	put("f.d/1.conf", "[route /./a]\nstatus = 202\nheader = C: d\n[route /a*]\nstatus = 203\n");
	must(load());
	ck_assert_uint_eq(setting(1)->answer.status, 202);
	ck_assert(slice_equal(setting(1)->answer.body, SLICE("one")));
	ck_assert_uint_eq(setting(1)->answer.n_fields, 1);
	ck_assert(slice_equal(setting(1)->answer.fields[0].name, SLICE("C")));
	ck_assert_uint_eq(setting(2)->answer.status, 203);
	conf_routes_free(&settings);
}
END_TEST

static const struct {
	const char *file, *body, *content_type;
} implied[] = {
	{ "[response]\nstatus = 201\n", "Hello", "text/html" },
	{ "[response]\nstatus = 404\n", "404 Not Found\n", "text/plain" },
	{ "[response]\nstatus = 418\n", "418\n", "text/plain" },
	{ "[response]\nstatus = 404\ncontent_type = a/b\n", "404 Not Found\n", "a/b" },
	{ "[response]\nstatus = 404\nbody =\n", "", "text/html" },
	{ "[response]\nstatus = 204\n", "", "" },
	{ "[response]\nstatus = 404\n[error 404]\nbody = none\n", "none", "text/html" },
	{ "[error 404]\nbody = none\ncontent_type = a/b\n[response]\nstatus = 404\n", "none", "a/b" },
	{ "[response]\nstatus = 404\nbody = mine\n[error 404]\nbody = none\ncontent_type = a/b\n", "mine", "text/html" },
	{ "[response]\nstatus = 404\ncontent_type = c/d\n[error 404]\nbody = none\ncontent_type = a/b\n", "none", "c/d" },
};

START_TEST(what_is_not_set_follows_from_the_status)
{
	must(load_text(implied[_i].file));
	ck_assert_str_eq(all_of(setting(0)->answer.body), implied[_i].body);
	ck_assert(slice_equal(setting(0)->answer.content_type, slice_of(implied[_i].content_type)));
	conf_routes_free(&settings);
}
END_TEST

START_TEST(a_route_without_a_body_has_none_or_says_its_status)
{
	must(load_text("[route /a]\n[route /b]\nstatus = 301\n[maintenance]\nenable_if_exists = /x\n"));
	ck_assert_uint_eq(setting(1)->answer.body.length, 0);
	ck_assert_uint_eq(setting(1)->answer.content_type.length, 0);
	ck_assert_str_eq(all_of(setting(2)->answer.body), "301 Moved Permanently\n");
	ck_assert_uint_eq(setting(3)->answer.status, 503);
	ck_assert(setting(3)->all);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(fields_of_an_error_go_with_its_page_unless_the_answer_has_them)
{
	must(load_text("[error 503]\nbody = x\nheader = Retry-After: 9\nheader = A: error\n"
		       "[route /a]\nstatus = 503\nheader = a: mine\n[route /b]\nstatus = 503\nbody = mine\n"));
	ck_assert_uint_eq(setting(1)->answer.n_fields, 2);
	ck_assert(slice_equal(setting(1)->answer.fields[0].value, SLICE("mine")));
	ck_assert(slice_equal(setting(1)->answer.fields[1].name, SLICE("Retry-After")));
	ck_assert_uint_eq(setting(2)->answer.n_fields, 0);
	ck_assert_uint_eq(settings.n_errors, 1);
	ck_assert_uint_eq(settings.errors[0].status, 503);
	ck_assert_uint_eq(settings.errors[0].n_fields, 2);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(a_file_gives_an_answer_its_validators)
{
	struct slice etag;
	char kept[64];

	put("page", "text");
	must(load_text("[route /a]\nbody_file = page\n[route /b]\nbody_file = page\nstatus = 503\n[route /c]\nbody = text\n"
		       "[route /d]\nbody_file = page\nheader = ETag: \"x\"\nheader = Last-Modified: Sun, 06 Nov 1994 "
		       "08:49:37 GMT\n"));
	etag = setting(1)->answer.etag;
	ck_assert_uint_gt(etag.length, 10);
	ck_assert(etag.at[0] == '"' && etag.at[etag.length - 1] == '"');
	memcpy(kept, etag.at, etag.length);
	ck_assert_uint_eq(setting(1)->answer.last_modified.length, HTTP_DATE_LENGTH);
	ck_assert_int_gt(setting(1)->validators.modified, 0);
	ck_assert_uint_eq(setting(2)->answer.etag.length, 0);
	ck_assert_uint_eq(setting(2)->answer.last_modified.length, 0);
	ck_assert_uint_eq(setting(3)->answer.etag.length, 0);
	ck_assert_uint_eq(setting(4)->answer.etag.length, 0);
	ck_assert_uint_eq(setting(4)->answer.last_modified.length, 0);
	ck_assert(slice_equal(setting(4)->validators.etag, SLICE("\"x\"")));
	ck_assert_int_eq(setting(4)->validators.modified, 784111777);

	must(load());		/* the same bytes, the same tag; others, another */
	ck_assert(slice_equal(setting(1)->answer.etag, (struct slice) { kept, etag.length }));
	put("page", "texT");
	must(load());
	ck_assert(!slice_equal(setting(1)->answer.etag, (struct slice) { kept, etag.length }));
	conf_routes_free(&settings);
}
END_TEST

/* The compressed copy gives the very bytes back. */
START_TEST(a_compressed_copy_is_kept_when_it_is_smaller)
{
	static char page[100000], back[sizeof page + 1];
	z_stream stream = { 0 };

	for (size_t i = 0; i < sizeof page; i++)
		page[i] = "<p>text</p>\n"[i % 12];
	put_bytes("page", page, sizeof page);
	must(load_text("[route /a]\nbody_file = page\ngzip = yes\n[route /b]\nbody = x\ngzip = yes\n[route /c]\n"
		       "body_file = page\n"));
	ck_assert_uint_gt(setting(1)->gzip_body.length, 20);
	ck_assert_uint_lt(setting(1)->gzip_body.length, 2000);
	ck_assert_uint_gt(setting(1)->gzip_etag.length, 0);
	ck_assert(!slice_equal(settings.routes[1].gzip_etag, settings.routes[1].answer.etag));
	ck_assert_uint_eq(setting(2)->gzip_body.length, 0);
	ck_assert_uint_eq(setting(3)->gzip_body.length, 0);

	ck_assert_int_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
	stream.next_in = (Bytef *) setting(1)->gzip_body.at;
	stream.avail_in = (uInt) setting(1)->gzip_body.length;
	stream.next_out = (Bytef *) back;
	stream.avail_out = sizeof back;
	ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(stream.total_out, sizeof page);
	ck_assert_mem_eq(back, page, sizeof page);
	inflateEnd(&stream);
	conf_routes_free(&settings);
}
END_TEST

START_TEST(a_dump_with_routes_is_read_back)
{
	char *first, *second;

	put("page", "text");
	must(load_text("[response]\nstatus = 404\n[error 404]\nbody = <p>\n[route a/b*]\nstatus = 301\nheader = A: ${host}\n"
		       "methods = GET\ndelay = 5ms\n[route /p]\nbody_file = page\ngzip = yes\n[maintenance]\n"
		       "enable_if_exists = rel\nother_methods = 501\n[listen admin]\nbody = x\n[route /p on admin]\n"
		       "[maintenance on admin]\nenable_if_exists = /x\n[server]\nlisten = :80 name=admin\n"));
	first = dump(conf);
	must(load_text(first));
	second = dump(conf);
	ck_assert_str_eq(first, second);
	ck_assert_ptr_nonnull(strstr(first, "\n[route a/b*]\n"));
	ck_assert_ptr_nonnull(strstr(first, "/rel\n"));
	ck_assert_ptr_nonnull(strstr(first, "\n[listen admin]\n"));
	ck_assert_ptr_nonnull(strstr(first, "\n[route /p on admin]\n"));
	ck_assert_ptr_nonnull(strstr(first, "\nlisten = :80 name=admin\n"));
	free(first);
	free(second);
}
END_TEST

START_TEST(a_route_is_set_on_the_command_line)
{
	put("f", "");
	must(load_with(main_file, NULL, "route /a.b.status=404", "error 404.body=x", "route h/x/*.delay=1s",
		       "route /c on admin.status=403", NULL));
	ck_assert(slice_equal(setting(1)->path, SLICE("/a.b")));
	ck_assert_uint_eq(setting(1)->answer.status, 404);
	ck_assert_str_eq(all_of(setting(1)->answer.body), "x");
	ck_assert_uint_eq(setting(2)->delay_ms, 1000);
	ck_assert_uint_eq(setting(3)->name, 2);
	ck_assert_uint_eq(setting(3)->answer.status, 403);
	conf_routes_free(&settings);
}
END_TEST

static char *shipped(void)
{
	const char *top = getenv("srcdir");
	char path[4096], *text;
	size_t length;
	ssize_t n;
	FILE *file;

	snprintf(path, sizeof path, "%s/etc/reactord.conf", top ? top : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "cannot open %s", path);
	text = NULL;
	length = 0;
	n = getdelim(&text, &length, '\0', file);
	ck_assert_int_gt(n, 0);
	fclose(file);
	return text;
}

START_TEST(the_shipped_file_changes_nothing)
{
	struct conf *defaults;
	char *text = shipped(), *of_file, *of_defaults;

	must(load_text(text));
	ck_assert_int_eq(conf_defaults(&defaults), 0);
	of_file = dump(conf);
	of_defaults = dump(defaults);
	ck_assert_str_eq(of_file, of_defaults);
	ck_assert(!conf->listen_is_set);
	conf_free(defaults);
	free(of_file);
	free(of_defaults);
	free(text);
}
END_TEST

/* "#key = value" is a default, "# key = value" an example. */
START_TEST(the_shipped_file_tells_the_defaults)
{
	char *text = shipped(), *of_file, *of_listen;

	for (char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		if (at[0] == '#' && at[1] >= 'a' && at[1] <= 'z')
			memmove(at, at + 1, strlen(at));
	}
	must(load_text(text));
	of_file = dump(conf);
	must(load_text("[server]\nlisten = 127.0.0.1:8000\n"));
	of_listen = dump(conf);
	ck_assert_str_eq(of_file, of_listen);
	free(of_file);
	free(of_listen);
	free(text);
}
END_TEST

/* What a dump prints is what there is. */
START_TEST(the_shipped_file_has_every_key)
{
	char *text = shipped(), *dump_text, *line, *rest, *equals, wanted[64];
	int keys = 0;

	must(load_text("[response]\nheader = A: b\n"));
	dump_text = dump(conf);
	for (line = strtok_r(dump_text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += *line == '#';
		equals = strstr(line, " = ");
		if (!equals)
			continue;
		*equals = '\0';
		keys++;
		snprintf(wanted, sizeof wanted, "#%s = ", line);
		if (strcmp(line, "header") == 0)
			strcpy(wanted, "# header = ");
		ck_assert_msg(strstr(text, wanted) != NULL, "the file has no %s", wanted);
	}
	ck_assert_int_eq(keys, 27);
	ck_assert_ptr_nonnull(strstr(text, "# body_file = "));
	free(dump_text);
	free(text);
}
END_TEST

/* Whatever allocation fails, the answer is an error and nothing is left behind (valgrind looks). */
static unsigned allocations_left;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_vasprintf(char **ret, const char *format, va_list list);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_vasprintf(char **ret, const char *format, va_list list);
int __wrap_asprintf(char **ret, const char *format, ...);

static bool fails(void)
{
	return allocations_left > 0 && --allocations_left == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	return fails() ? NULL : __real_realloc(at, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return fails() ? NULL : __real_strndup(text, length);
}

int __wrap_vasprintf(char **ret, const char *format, va_list list)
{
	return fails() ? -1 : __real_vasprintf(ret, format, list);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list list;
	int r;

	va_start(list, format);
	r = fails() ? -1 : __real_vasprintf(ret, format, list);
	va_end(list);
	return r;
}

START_TEST(a_failed_allocation_is_an_error)
{
	struct conf_source source = { .file = main_file, .overrides = (const char *[]) { "log.level=debug" },
		.n_overrides = 1 };
	unsigned n = 0;
	int r;

	put("f", "[server]\nlisten = :1\n[listen a]\nbody = x\n[route /x on a]\n[response]\nheader = A: b\nbody = x\n"
	    "body_file = g\nbad\n");
	put("f.d/a.conf", "[response]\nbody_file = page\n");
	put("f.d/page", "x");
	for (;;) {
		allocations_left = ++n;
		r = conf_load(&conf, &source, &errors);
		if (allocations_left > 0)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_null(conf);
		conf_errors_clear(&errors);
	}
	allocations_left = 0;
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_uint_eq(errors.n, 2);
	ck_assert_uint_gt(n, 10);
}
END_TEST

#define N(table) ((int) (sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tests = tcase_create("conf");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_defaults_are_those_of_the_manual);
	tcase_add_test(tests, every_key_arrives_where_it_belongs);
	tcase_add_loop_test(tests, a_mistake_is_told_with_its_line_and_what_would_be_right, 0, N(wrong));
	tcase_add_loop_test(tests, a_content_type_is_a_media_type, 0, N(media_types));
	tcase_add_test(tests, all_mistakes_of_all_sources_are_told_in_one_pass);
	tcase_add_test(tests, mistakes_are_told_in_the_order_of_lines_whenever_they_are_found);
	tcase_add_test(tests, a_file_of_rubbish_does_not_fill_the_memory);
	tcase_add_test(tests, a_message_shows_only_the_beginning_of_a_long_value);
	tcase_add_loop_test(tests, a_message_has_no_bytes_that_a_terminal_would_obey, 0, N(shown));
	tcase_add_test(tests, nor_is_there_any_in_names_of_files_keys_and_sections);
	tcase_add_test(tests, a_value_is_not_cut_in_the_middle_of_a_character);
	tcase_add_test(tests, later_files_replace_what_earlier_ones_set);
	tcase_add_test(tests, capital_letters_come_first_whatever_the_locale);
	tcase_add_test(tests, a_link_to_dev_null_masks_a_file);
	tcase_add_test(tests, what_cannot_be_read_is_a_mistake);
	tcase_add_test(tests, a_file_in_place_of_the_directory_is_a_mistake);
	tcase_add_test(tests, a_file_that_need_not_exist_leaves_the_defaults);
	tcase_add_test(tests, overrides_replace_what_files_say);
	tcase_add_loop_test(tests, overrides_are_checked_like_files, 0, N(wrong_overrides));
	tcase_add_test(tests, listen_of_the_command_line_stands_in_place_of_all_other);
	tcase_add_test(tests, a_line_that_could_not_be_dumped_is_a_mistake);
	tcase_add_test(tests, a_value_of_the_command_line_is_no_longer_than_a_line);
	tcase_add_test(tests, lists_have_an_end_that_is_told_once);
	tcase_add_test(tests, port_0_may_be_asked_for_twice);
	tcase_add_loop_test(tests, a_body_may_have_lines, 0, N(bodies));
	tcase_add_test(tests, any_value_may_be_on_the_line_below);
	tcase_add_test(tests, a_status_without_content_needs_no_empty_body);
	tcase_add_test(tests, a_body_file_is_read_from_beside_the_file_that_names_it);
	tcase_add_test(tests, a_body_replaces_a_body_file_that_is_not_there);
	tcase_add_test(tests, a_relative_path_is_made_absolute);
	tcase_add_test(tests, a_fifo_is_no_body);
	tcase_add_test(tests, a_body_has_at_most_64_mib);
	tcase_add_test(tests, all_bodies_together_have_a_limit);
	tcase_add_test(tests, a_compressed_copy_counts_as_well);
	tcase_add_test(tests, all_heads_count_as_well);
	tcase_add_test(tests, who_loads_hears_of_each_body);
	tcase_add_test(tests, a_file_that_does_not_know_its_size_is_read_to_its_end);
	tcase_add_test(tests, a_head_that_could_not_be_sent_is_a_mistake);
	tcase_add_loop_test(tests, a_dump_is_read_back_to_the_same, 0, N(dumped));
	tcase_add_test(tests, the_longest_line_can_be_dumped);
	tcase_add_loop_test(tests, what_needs_a_restart_is_told, 0, N(restarts));
	tcase_add_test(tests, a_limit_that_was_lowered_can_be_raised_to_what_the_daemon_was_started_with);
	tcase_add_test(tests, what_needs_a_restart_is_told_of_the_unit_that_it_is);
	tcase_add_loop_test(tests, a_name_that_only_one_side_has_is_a_mistake_that_names_both, 0, N(named));
	tcase_add_test(tests, names_are_compared_with_what_the_daemon_opens_itself);
	tcase_add_test(tests, a_route_is_read);
	tcase_add_test(tests, a_section_is_named_in_the_log_as_it_is_written);
	tcase_add_test(tests, sections_can_be_for_listeners_of_a_name);
	tcase_add_loop_test(tests, a_prefix_may_end_in_dots, 0, N(patterns));
	tcase_add_test(tests, a_later_file_replaces_settings_of_a_route_one_by_one);
	tcase_add_loop_test(tests, what_is_not_set_follows_from_the_status, 0, N(implied));
	tcase_add_test(tests, a_route_without_a_body_has_none_or_says_its_status);
	tcase_add_test(tests, fields_of_an_error_go_with_its_page_unless_the_answer_has_them);
	tcase_add_test(tests, a_file_gives_an_answer_its_validators);
	tcase_add_test(tests, a_compressed_copy_is_kept_when_it_is_smaller);
	tcase_add_test(tests, a_dump_with_routes_is_read_back);
	tcase_add_test(tests, a_route_is_set_on_the_command_line);
	tcase_add_test(tests, the_shipped_file_changes_nothing);
	tcase_add_test(tests, the_shipped_file_tells_the_defaults);
	tcase_add_test(tests, the_shipped_file_has_every_key);
	tcase_add_test(tests, a_failed_allocation_is_an_error);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}

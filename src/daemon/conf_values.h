/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The kinds of values that a key can have, but for the files of an answer (conf_body.h): how each is read into struct
 * conf, and printed so that it can be read back.  A parser that returns an error has changed nothing that is in force.
 */
#include "daemon/conf_keys.h"

extern const struct conf_units conf_no_units, conf_sizes, conf_times;
extern const struct conf_word conf_yes_no[], conf_refusals[], conf_executors[], conf_levels[], conf_accesses[];

/* Any key that has offset, width and range, or words. */
conf_parse_fn conf_parse_number, conf_parse_word;
conf_print_fn conf_print_number, conf_print_word;
uint64_t conf_number(const void *from, const struct conf_key *key);	/* what the member has; from: see conf_print_fn */

/* One key each. */
conf_parse_fn conf_parse_workers, conf_parse_listen, conf_parse_content_type, conf_parse_header, conf_parse_access,
	conf_parse_methods;
conf_print_fn conf_print_workers, conf_print_listen, conf_print_content_type, conf_print_header, conf_print_access,
	conf_print_methods;

void conf_clear_listen(struct conf *conf);
void conf_clear_headers(struct conf_answer *answer);

void conf_print_text(const char *name, struct slice text, FILE *to);	/* "name = text", quoted where it must be */

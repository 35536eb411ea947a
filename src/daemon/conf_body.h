/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The two keys that give the response its body: response.body, its text, and response.body_file, a file that has it.
 */
#include "daemon/conf_keys.h"

conf_parse_fn conf_parse_body, conf_parse_body_file;
conf_print_fn conf_print_body, conf_print_body_file;

void conf_clear_body(struct conf_loading *load);	/* neither text nor file */

/* Reads the file that conf->body_file names; for when all is loaded.  Returns 0; -EINVAL after the mistake was told, at
 * the line that named the file; or -ENOMEM. */
int conf_read_body_file(struct conf_loading *load);

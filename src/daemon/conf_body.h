/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The keys of an answer that name files or hold text of more lines: body, body_file, enable_if_exists.
 */
#include "daemon/conf_keys.h"

conf_parse_fn conf_parse_body, conf_parse_body_file, conf_parse_enable_if_exists;
conf_print_fn conf_print_body, conf_print_body_file, conf_print_enable_if_exists;

void conf_clear_body(struct conf_loading *load);	/* of load->answer: neither text nor file */

/* Reads the file that load->answer names; for when all is loaded.  Returns 0; -EINVAL after the mistake was told, at
 * the line that named the file; or -ENOMEM. */
int conf_read_body_file(struct conf_loading *load);

/* Makes the compressed copy, unless it would be no smaller.  Returns 0 or -ENOMEM. */
int conf_compress_body(struct conf_loading *load);

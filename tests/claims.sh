#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For scripts that claim something and print TAP: they source this, claim, and end with claims_end.

count=0
failed=0

# claim SENTENCE CONTRADICTIONS: the lines that contradict it.
claim() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $1"
	echo "$2" | sed 's/^/# /'
}

# Says how many there were; false: not all of them are true.
claims_end() {
	echo "1..$count"
	[ "$failed" -eq 0 ]
}

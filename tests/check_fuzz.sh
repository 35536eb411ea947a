#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Replays through the fuzzer's way in what is in tests/corpus: what was once found stays found.  Prints TAP.

program=${FUZZ_PARSER:-tests/fuzz_parser}
count=0
failed=0

for file in "${srcdir:-.}"/tests/corpus/*; do
	if [ ! -e "$file" ]; then
		echo "Bail out! there is no corpus in ${srcdir:-.}/tests"
		exit 1
	fi
	count=$((count + 1))
	if "$program" "$file"; then
		echo "ok $count - replay of ${file##*/}"
	else
		failed=$((failed + 1))
		echo "not ok $count - replay of ${file##*/}"
	fi
done

echo "1..$count"
[ "$failed" -eq 0 ]

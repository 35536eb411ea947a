#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks that a layer knows only what is below it: core knows core, http knows core and http, the daemon knows both and is
# alone in knowing systemd and inih; the poller is alone in knowing epoll.  Linking each layer's tests with that layer's
# archive alone finds calls upwards too, but not a struct, a macro or an inline function taken from above.
#
# Prints TAP.  $1: the directory to look at; default: src beside the directory of this script.

src=${1:-$(dirname "$0")/../src}
# shellcheck source=/dev/null
. "$(dirname "$0")/claims.sh"

include='[[:space:]]*#[[:space:]]*include[[:space:]]*'

# lines PATTERN FILES...
lines() {
	pattern=$1
	shift
	grep -nHE -e "$pattern" -- "$@"
}

# calls NAME FILES...: lines where what matches NAME is called, comments left out.
calls() {
	pattern="(^|[^[:alnum:]_])($1)[[:space:]]*\\("
	shift
	grep -nHE -e "$pattern" -- "$@" |
		sed -e 's,/\*.*,,' -e '/^[^:]*:[0-9]*:[[:space:]]* \*\([ /]\|$\)/d' | grep -E -e "$pattern"
}

# An empty directory would contradict nothing.
for layer in core http daemon; do
	for suffix in c h; do
		set -- "$src/$layer"/*.$suffix
		if [ ! -e "$1" ]; then
			echo "Bail out! $src/$layer has no .$suffix files"
			exit 1
		fi
	done
done

claim "core includes only core" \
	"$(lines "^$include\"" "$src"/core/*.[ch] | grep -vE '"(core/|config\.h")')"

claim "http includes only core and http" \
	"$(lines "^$include\"" "$src"/http/*.[ch] | grep -vE '"((core|http)/|config\.h")')"

claim "headers of ours are included by their path from src" \
	"$(lines "^$include\"" "$src"/*/*.[ch] | grep -vE '"((core|http|daemon)/[a-z_]+\.h|config\.h)"')"

claim "only the poller includes epoll" \
	"$(lines "^$include.*epoll\.h" "$src"/*/*.[ch] | grep -vF "$src/core/poller.c:")"

claim "only the poller calls epoll" \
	"$(calls "epoll_[a-z0-9_]+" "$src"/*/*.[ch] | grep -vF "$src/core/poller.c:")"

claim "only the daemon includes systemd or inih" \
	"$(lines "^$include.*(systemd/|ini\.h)" "$src"/core/*.[ch] "$src"/http/*.[ch])"

claim "only the daemon calls systemd or inih" \
	"$(calls "sd_[a-z_]+|ini_parse[a-z_]*" "$src"/core/*.[ch] "$src"/http/*.[ch])"

claims_end

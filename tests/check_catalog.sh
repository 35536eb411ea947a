#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks that the messages of the daemon and the catalog that explains them (journalctl -x) are of the same kinds: who adds a
# kind is told here what else it needs.  Prints TAP.  $1: the source directory; default: the one above this script.

top=${1:-$(dirname "$0")/..}
header=$top/src/daemon/log.h
source=$top/src/daemon/log.c
catalog=$top/systemd/reactord.catalog
# shellcheck source=/dev/null
. "$(dirname "$0")/claims.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# kinds, ids: what there is, sorted, one a line.  entries: "ID what is missing in its entry", nothing behind ID when all is
# there.
sed -n '/^enum log_kind {/,/^};/s/^[[:space:]]*\(LOG_[A-Z_]*\),.*/\1/p' "$header" | grep -vx LOG_KINDS | sort >"$work/kinds"
sed -n 's/^[[:space:]]*\[\(LOG_[A-Z_]*\)\][[:space:]]*= "\(.*\)",$/\1 \2/p' "$source" | sort >"$work/table"
cut -d' ' -f1 "$work/table" >"$work/in_table"
cut -d' ' -f2 "$work/table" | sort >"$work/ids"
awk '
	function close_entry() {
		if (id == "")
			return
		missing = ""
		if (!subject) missing = missing " Subject:"
		if (!defined) missing = missing " Defined-By: reactord"
		if (!documentation) missing = missing " Documentation:"
		if (!cause) missing = missing " Cause:"
		if (!remedy) missing = missing " Remedy:"
		print id missing
	}
	/^-- / { close_entry(); id = $2; head = 1; subject = defined = documentation = cause = remedy = 0; next }
	/^#/ { next }
	/^$/ { head = 0; next }
	head && /^Subject: ./ { subject = 1 }
	head && /^Defined-By: reactord$/ { defined = 1 }
	head && /^Documentation: man:reactord/ { documentation = 1 }
	!head && /^Cause: ./ { cause = 1 }
	!head && /^Remedy:/ { remedy = 1 }
	END { close_entry() }
' "$catalog" | sort >"$work/entries"
cut -d' ' -f1 "$work/entries" >"$work/explained"

# Nothing would contradict nothing.
for file in kinds table entries; do
	if [ ! -s "$work/$file" ]; then
		echo "Bail out! found no $file in $header, $source or $catalog"
		exit 1
	fi
done

claim "every kind of message has an id in the table of log.c" "$(comm -3 "$work/kinds" "$work/in_table")"
claim "an id is 32 hexadecimal digits" "$(grep -vE ' [0-9a-f]{32}$' "$work/table")"
claim "no two kinds have the same id" "$(uniq -d "$work/ids")"
claim "every kind of message is written somewhere" \
	"$(while read -r kind; do
		grep -qE "(^|[^[A-Z_])$kind([^A-Z_]|\$)" "$top"/src/daemon/*.c || echo "$kind"
	done <"$work/kinds")"
claim "no message lacks its entry in the catalog" \
	"$(comm -23 "$work/ids" "$work/explained" | while read -r id; do grep -F "$id" "$work/table"; done)"
claim "no entry of the catalog is without its message" "$(comm -13 "$work/ids" "$work/explained")"
claim "every entry has a subject, its documentation, a cause and a remedy" "$(grep ' ' "$work/entries")"
claim "what an entry repeats is a field that the daemon writes" \
	"$(grep -o '@[A-Z_]*@' "$catalog" | tr -d @ | sort -u | while read -r field; do
		grep -qE "\"$field=" "$source" || echo "$field"
	done)"
claim "a line of the catalog fits beside what journalctl puts before it" "$(sed '/^#/d' "$catalog" | grep -nE '.{76}')"

# By systemd's own reader, into a database of its own.
if command -v journalctl >/dev/null; then
	mkdir -p "$work/root/usr/lib/systemd/catalog" "$work/root/var/lib/systemd/catalog"
	cp "$catalog" "$work/root/usr/lib/systemd/catalog/"
	said=$(journalctl --root="$work/root" --update-catalog 2>&1)
	journalctl --root="$work/root" --list-catalog 2>>"$work/err" | cut -d' ' -f1 | sort >"$work/listed"
	claim "systemd takes every entry" "$(comm -3 "$work/explained" "$work/listed"; [ -s "$work/listed" ] || echo "$said")"
else
	count=$((count + 1))
	echo "ok $count - systemd takes every entry # SKIP there is no journalctl"
fi

claims_end

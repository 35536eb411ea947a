#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the built reactord-generator on configurations and compares the drop-in that it makes of each.  Whether systemd takes
# these is tests/system's question.  Prints TAP.  $REACTORD_GENERATOR: the program.

generator=${REACTORD_GENERATOR:-./reactord-generator}
count=0
failed=0

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
conf=$work/reactord.conf
units=$work/units
remembered=$work/remembered
drop_in=$units/reactord.socket.d/50-reactord-conf.conf

if [ ! -x "$generator" ]; then
	echo "Bail out! there is no $generator"
	exit 1
fi

# generate: a fresh directory for units, and $conf as it is
generate() {
	rm -rf "$units"
	mkdir "$units"
	"$generator" "$units" "$units" "$units" "$conf" "$remembered" >"$work/out" 2>"$work/err"
	status=$?
}

# claim SENTENCE TRUTH: TRUTH is the exit status of what was found out
claim() {
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $count - $1"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $1"
	echo "# exit status $status"
	for file in "$conf" "$work/out" "$work/err" "$drop_in" "$work/wanted"; do
		[ -f "$file" ] || continue
		echo "# $file:"
		sed 's/^/#	/' "$file"
	done
}

# makes SENTENCE CONFIGURATION LINES [UNIT-LINES [NAME [FIRST-LINES]]]: exactly these lines in the drop-in behind its
# comment; \n ends a line
makes() {
	printf %b "$2" >"$conf"
	printf %b "\n[Unit]\n$4\n[Socket]\n$6ListenStream=\nBindIPv6Only=ipv6-only\nFileDescriptorName=${5:-http}\n$3" \
		>"$work/wanted"
	generate
	[ "$status" -eq 0 ] && sed 1d "$drop_in" 2>/dev/null | cmp -s - "$work/wanted"
	claim "$1" $?
}

# makes_nothing SENTENCE CONFIGURATION
makes_nothing() {
	printf %b "$2" >"$conf"
	generate
	[ "$status" -eq 0 ] && [ -z "$(ls -A "$units")" ]
	claim "$1" $?
}

# says SENTENCE PATTERN: what the last run wrote to stderr
says() {
	grep -q -e "$2" "$work/err"
	claim "$1" $?
}

generate
[ "$status" -eq 0 ] && [ -z "$(ls -A "$units")" ]
claim "without a file the unit keeps its address" $?

makes_nothing "without server.listen the unit keeps its address" '[response]\nbody = x\n'
[ ! -s "$work/err" ]
claim "and nothing is said" $?

makes "one address replaces the unit's" '[server]\nlisten = 0.0.0.0:80\n' 'ListenStream=0.0.0.0:80\n'
grep -q -F "$conf" "$drop_in"
claim "the drop-in names the file that it was made of" $?
makes "the length of the queue goes with the addresses" '[server]\nlisten = 0.0.0.0:80\nbacklog = 77\n' \
	'ListenStream=0.0.0.0:80\n' '' http 'Backlog=77\n'
printf '[server]\nbacklog = 77\n' >"$conf"
printf '\n[Unit]\n\n[Socket]\nBacklog=77\n' >"$work/wanted"
generate
[ "$status" -eq 0 ] && sed 1d "$drop_in" 2>/dev/null | cmp -s - "$work/wanted"
claim "the length of the queue alone leaves the unit its address" $?
makes "several addresses keep their order" '[server]\nlisten = 127.0.0.1:81\nlisten = [::1]:80\n' \
	'ListenStream=127.0.0.1:81\nListenStream=[::1]:80\n'
makes "a port alone is one socket for each family" '[server]\nlisten = :80\n' \
	'ListenStream=[::]:80\nListenStream=0.0.0.0:80\n'
makes "an address is written in the shortest way" '[server]\nlisten = [0:0:0:0:0:0:0:1]:8000\n' 'ListenStream=[::1]:8000\n'
makes "a unix socket is for all users" '[server]\nlisten = /run/x.sock\n' 'ListenStream=/run/x.sock\nSocketMode=0666\n'
makes "a unix socket has the mode that is set" '[server]\nlisten = /run/x.sock mode=0660\n' \
	'ListenStream=/run/x.sock\nSocketMode=0660\n'
makes "two unix sockets have what both modes allow" \
	'[server]\nlisten = /run/x.sock mode=0660\nlisten = /run/y.sock mode=0606\n' \
	'ListenStream=/run/x.sock\nListenStream=/run/y.sock\nSocketMode=0600\n'
says "and it is said that there is one mode only" 'narrowest'
makes "a path's percent sign is no specifier of systemd's" '[server]\nlisten = /run/100%t.sock\n' \
	'ListenStream=/run/100%%t.sock\nSocketMode=0666\n'
mkdir "$conf.d"
printf '[server]\nlisten = 127.0.0.1:99\n' >"$conf.d/50-mine.conf"
makes "what is in the .d directory comes last" '[server]\nlisten = :80\n' 'ListenStream=127.0.0.1:99\n'
rm -r "$conf.d"

makes_nothing "port 0 under systemd is no address" '[server]\nlisten = 127.0.0.1:0\n'
makes "port 0 is left out" '[server]\nlisten = 127.0.0.1:0\nlisten = 127.0.0.1:80\n' 'ListenStream=127.0.0.1:80\n'
says "and it is said that it was" '127.0.0.1:0: .*left out'

makes "a mistake elsewhere does not matter to the addresses" '[server]\nlisten = 127.0.0.1:80\n[response]\nstatus = abc\n' \
	'ListenStream=127.0.0.1:80\n'
says "and it is said, with file and line" "reactord.conf:4: "
makes "nor does a page that cannot be read" '[server]\nlisten = 127.0.0.1:80\n[response]\nbody_file = /nonexistent/page\n' \
	'ListenStream=127.0.0.1:80\n'
printf '[server]\nlisten = 127.0.0.1:80\nlisten = 127.0.0.1:99999\n' >"$conf"
generate
[ "$status" -eq 0 ] && ! grep -q Listen "$drop_in"
claim "one wrong address among others, and the unit keeps its own" $?
says "and it is said why, with file and line" "reactord.conf:3: "
says "and what follows" 'keeps the address of its unit'
grep -q "^ExecStartPre=-.*/reactord --check --config $conf\$" "$drop_in"
claim "and it is said again whenever the socket is opened" $?

# hands_on_nothing SENTENCE ADDRESSES
hands_on_nothing() {
	printf %b "[server]\nlisten = $2\n" >"$conf"
	generate
	[ "$status" -eq 0 ] && ! grep -q Listen "$drop_in"
	claim "$1" $?
}

# What systemd could not listen on would take the port of all others away.
hands_on_nothing "a path that ends in a backslash, which would continue the line" "/run/a\\\\"
hands_on_nothing "a path that is not normal" '/run/reactord/../x.sock'
hands_on_nothing "an address beside every address" ':80\nlisten = 127.0.0.1:80'

# Names.
makes "a further name is a unit of its own, which comes with the socket" \
	'[server]\nlisten = :80 name=http\nlisten = /run/a mode=0600 name=admin\nlisten = [::1]:81 name=admin\n' \
	'ListenStream=[::]:80\nListenStream=0.0.0.0:80\n' 'Wants=reactord-admin.socket\n'
printf '[Socket]\nService=reactord.service\nBacklog=4096\nFreeBind=yes\n%s\n' \
	'BindIPv6Only=ipv6-only
FileDescriptorName=admin
ListenStream=/run/a
ListenStream=[::1]:81
SocketMode=0600' >"$work/wanted"
grep -q '^PartOf=reactord.socket$' "$units/reactord-admin.socket" &&
	sed -n '/^\[Socket\]/,$p' "$units/reactord-admin.socket" | cmp -s - "$work/wanted"
claim "which has its addresses, its mode and its name" $?
makes "unix sockets of two names have two modes" \
	'[server]\nlisten = /run/a mode=0600\nlisten = /run/b mode=0660 name=admin\n' \
	'ListenStream=/run/a\nSocketMode=0600\n' 'Wants=reactord-admin.socket\n'
grep -q '^SocketMode=0660$' "$units/reactord-admin.socket"
claim "each in its unit" $?
makes "a name that is taken out of the file is ended by the start of the socket" '[server]\nlisten = 127.0.0.1:80\n' \
	'ListenStream=127.0.0.1:80\n' 'Conflicts=reactord-admin.socket\n'
[ ! -e "$units/reactord-admin.socket" ]
claim "and has no unit" $?
printf '\n' >"$conf"
generate
[ "$status" -eq 0 ] && grep -q '^Conflicts=reactord-admin.socket$' "$drop_in" && ! grep -q Listen "$drop_in"
claim "so it is when server.listen is taken out as a whole" $?
makes "one that comes back is in no conflict" '[server]\nlisten = :80\nlisten = 127.0.0.1:81 name=admin\n' \
	'ListenStream=[::]:80\nListenStream=0.0.0.0:80\n' 'Wants=reactord-admin.socket\n'
rm -r "$remembered"
makes "where each has a name the first has the socket" \
	'[server]\nlisten = 127.0.0.1:81 name=a\nlisten = 127.0.0.1:82 name=b\nlisten = 127.0.0.1:83 name=a\n' \
	'ListenStream=127.0.0.1:81\nListenStream=127.0.0.1:83\n' 'Wants=reactord-b.socket\n' a
rm -r "$remembered"
makes "a name of port 0 alone has no unit" '[server]\nlisten = :80\nlisten = 127.0.0.1:0 name=none\n' \
	'ListenStream=[::]:80\nListenStream=0.0.0.0:80\n'

# Instances.
instances=$work/reactord
mkdir "$instances" "$instances/blue.conf.d" "$instances/directory.conf"
printf '[server]\nlisten = 127.0.0.1:81\n' >"$instances/blue.conf"
printf '[server]\nlisten = 127.0.0.1:82\nlisten = /run/x name=admin\n' >"$instances/blue.conf.d/x.conf"
printf '[server]\nlisten = 127.0.0.1:83\n' >"$instances/a page.conf"
printf '[server]\nlisten = 127.0.0.1:83\n' >"$instances/page.html"
printf '<p>a page\nlisten = 3\n[\n' >"$instances/page.conf"
printf '[response]\nbody = x\n' >"$instances/quiet.conf"
makes "the socket is as it is without instances" '[server]\nlisten = 127.0.0.1:80\n' 'ListenStream=127.0.0.1:80\n'
[ ! -s "$work/err" ]
claim "and nothing is said of files that are no configuration" $?
[ "$(cd "$units" && find . -type f | sort | tr '\n' ' ')" = "./reactord.socket.d/50-reactord-conf.conf \
./reactord@blue.socket.d/50-reactord-conf.conf ./reactord@blue:admin.socket " ] 
claim "only a file NAME.conf with server.listen is an instance with an address" $?
grep -q '^ListenStream=127.0.0.1:82$' "$units/reactord@blue.socket.d/50-reactord-conf.conf" &&
	grep -q '^Wants=reactord@blue:admin.socket$' "$units/reactord@blue.socket.d/50-reactord-conf.conf" &&
	grep -q '^Service=reactord@blue.service$' "$units/reactord@blue:admin.socket"
claim "which has what is in its own .d directory, and its own further names" $?
printf '[server]\nlisten = nowhere:1\n' >"$instances/blue.conf.d/x.conf"
generate
[ "$status" -eq 0 ] && grep -q '^ListenStream=127.0.0.1:80$' "$drop_in"
claim "what is bad of an instance is not of the others" $?
says "and is said" 'reactord@blue.socket keeps the address of its unit'
grep -q '^Conflicts=reactord@blue:admin.socket$' "$units/reactord@blue.socket.d/50-reactord-conf.conf"
claim "whose further names are ended" $?
rm -r "$instances"

printf '[server]\nlisten = 127.0.0.1:80\n' >"$conf"
rm -rf "$units"
"$generator" "$units/none" "$units" "$units" "$conf" >"$work/out" 2>"$work/err"
status=$?
[ "$status" -eq 1 ] && grep -q -F "$units/none" "$work/err"
claim "a directory that is not there is a failure that names it" $?

generate
generate_again=$(cat "$drop_in")
"$generator" "$units" "$units" "$units" "$conf" >"$work/out" 2>"$work/err"
status=$?
[ "$status" -eq 0 ] && [ "$generate_again" = "$(cat "$drop_in")" ]
claim "a second run makes the same" $?

"$generator" "$units" >"$work/out" 2>"$work/err"
status=$?
[ "$status" -eq 1 ] && grep -q '^Usage: ' "$work/err"
claim "without three directories it says how it is called" $?

echo "1..$count"
[ "$failed" -eq 0 ]

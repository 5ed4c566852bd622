#!/usr/bin/env bash
# clients.sh: real Redis clients, redis-cli and redis-benchmark, against the
# server that the environment's SERVER names, as in tests/support.h ("{port}"
# in it becomes a free port; else "--port 0" is added). EXEMPT, words of the
# table in tests/support.c, spares it what it can't have: sigterm blob work errors.
#
# A line for each check; at last `N passed, N failed`. Exit: 0, 1 something
# failed, 2 usage, 77 skipped. Every command has a bound, BOUND seconds.
set -u -o pipefail

BOUND=60
REQUESTS=10000
passed=0 failed=0

if [ -z "${SERVER:-}" ]; then
	echo "clients.sh: the environment names no SERVER" >&2
	exit 2
fi
for tool in redis-cli redis-benchmark; do
	if ! command -v "$tool" >/dev/null; then
		echo "skip: $tool is not installed (package redis-tools)"
		exit 77
	fi
done

# ---- the server ----

port=
server_pid=
errors=$(mktemp)
# shellcheck disable=SC2317,SC2329  # called by the trap
tidy() {
	[ -n "$server_pid" ] && kill -KILL "$server_pid" 2>/dev/null
	rm -f "$errors"
}
trap tidy EXIT
trap 'exit 1' INT TERM HUP

answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
	local try
	for _ in {1..100}; do
		try=$((20000 + RANDOM % 12000))
		answers "$try" || break
	done
	echo "$try"
}

# A server that is given its port is asked until it answers; another one says where it listens.
start_server() {
	local words line
	eval "words=($SERVER)"
	[[ $SERVER == *"{port}"* ]] && port=$(free_port)
	[ -n "$port" ] && words=("${words[@]//\{port\}/$port}") || words+=(--port 0)
	coproc LISTENER { exec "${words[@]}" 2>"$errors"; }
	server_pid=$LISTENER_PID
	exec {server_out}<&"${LISTENER[0]}"
	if [ -n "$port" ]; then
		for _ in {1..100}; do
			answers "$port" && return
			read -r -t 0.05 -u "$server_out" line
		done
	elif read -r -t 10 -u "$server_out" line; then
		line=${line%$'\r'}
		port=${line##*:}
		[[ $line == "listening on "*:* && $port =~ ^[0-9]+$ ]] && return
	fi
	echo "FAILED the server listens: it said \"${line:-}\", $(tail -n 1 "$errors")"
	exit 1
}

# ---- checks ----

exempt() {
	[[ " ${EXEMPT:-} " == *" $1 "* ]]
}

ok() {
	printf 'ok     %s\n' "$1"
	passed=$((passed + 1))
}

bad() {
	printf 'FAILED %s: %s\n' "$1" "$2"
	failed=$((failed + 1))
}

# TITLE WANTED GOT
same() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		bad "$1" "expected \"${2:0:80}\", but got \"${3:0:200}\""
	fi
}

cli() {
	timeout "$BOUND" redis-cli -p "$port" "$@" 2>&1
}

# What a client at the keyboard would see: it types the lines, and takes what comes until the server closes.
typed() {
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return
	printf '%s\r\n' "$@" >&3
	timeout "$BOUND" cat <&3 | tr -d '\r' | paste -sd ' '
	exec 3>&-
}

check_blob() {
	same "redis-cli BLOB 1000" 1000 "$(cli BLOB 1000 | tr -d '\n' | wc -c)"
	same "redis-cli BLOB of 1 MiB" 1048576 "$(cli BLOB 1048576 | tr -d '\n' | wc -c)"
}

check_commands() {
	same "redis-cli PING" PONG "$(cli PING)"
	same "redis-cli ping, with a text" "a b c" "$(cli ping "a b c")"
	same "redis-cli ECHO" hello "$(cli ECHO hello)"
	same "redis-cli ECHO of bytes that end lines" $'one\r\ntwo' "$(cli ECHO $'one\r\ntwo')"
	same "redis-cli ECHO of nothing" "" "$(cli ECHO "")"
	same "redis-cli -x ECHO of 60,000 bytes" 60000 "$(head -c 60000 /dev/zero | tr '\0' x | cli -x ECHO | tr -d '\n' | wc -c)"
	exempt blob || check_blob
	exempt work || same "redis-cli WORK" DONE "$(cli WORK 100 100)"
	same "redis-cli QUIT" OK "$(cli QUIT)"
	exempt errors || same "redis-cli FOO, an unknown command" "ERR unknown command 'FOO'" "$(cli FOO bar | head -n 1)"
	same "redis-cli ECHO without its argument is an error" ERR "$(cli ECHO | cut -d ' ' -f 1 | head -n 1)"
	same "redis-cli CLIENT ID is a number" yes "$([[ $(cli CLIENT ID) =~ ^[1-9][0-9]*$ ]] && echo yes)"
	same "redis-cli CLIENT KILL ID of nobody" 0 "$(cli CLIENT KILL ID 123456789)"
	same "redis-cli -r 200 PING, on one connection" 200 "$(cli -r 200 PING | grep -c '^PONG$')"
	same "redis-cli, commands from a pipe" "PONG two PONG" "$(printf 'PING\nECHO two\nPING\n' | cli | paste -sd ' ')"
	# shellcheck disable=SC2016  # these dollars are the protocol's
	same "inline commands, as typed" '+PONG $5 hello +OK' "$(typed PING 'ECHO hello' QUIT)"
}

check_pipe() {
	local said
	# shellcheck disable=SC2016  # the same
	said=$(for _ in {1..5000}; do printf 'PING\r\n*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n'; done | cli --pipe | tail -n 1)
	same "redis-cli --pipe, 10,000 commands" "errors: 0, replies: 10000" "$said"
}

# TITLE OPTION...: completes, names both tests, and says nothing of errors but of CONFIG, which it asks for first.
benchmark() {
	local title=$1 said status
	shift
	said=$(timeout "$BOUND" redis-benchmark -p "$port" -t ping_inline,ping_mbulk --csv "$@" 2>&1)
	status=$?
	said=$(grep -v 'Could not fetch server CONFIG' <<<"$said")
	if [ $status -eq 124 ]; then
		bad "$title" "no end within $BOUND s; $(tail -n 1 <<<"$said")"
	elif [ $status -ne 0 ] || grep -qiE 'error|refused|reset|closed' <<<"$said"; then
		bad "$title" "exit status $status, $(grep -iE 'error|refused|reset|closed' <<<"$said" | head -n 1)"
	elif [ "$(grep -cE '^"PING_(INLINE|MBULK)","[0-9.]+"' <<<"$said")" -ne 2 ]; then
		bad "$title" "no two results, but: $(tail -n 2 <<<"$said" | paste -sd ' ')"
	else
		ok "$title"
	fi
}

check_benchmarks() {
	local pipeline clients
	for pipeline in 1 16; do
		for clients in 1 50 500; do
			benchmark "redis-benchmark, $clients clients, pipeline $pipeline" -n "$REQUESTS" -P "$pipeline" -c "$clients"
		done
	done
	benchmark "redis-benchmark, 50 clients, a connection for each request" -n 2000 -c 50 -k 0
	benchmark "redis-benchmark, 500 clients, a connection for each request" -n 2000 -c 500 -k 0
}

# Its end closes its stdout, which is waited for, 10 s at the most. Returns its exit status.
stop_server() {
	local status=0
	kill -TERM "$server_pid" 2>/dev/null
	while [ "$status" -eq 0 ]; do
		read -r -t 10 -u "$server_out" _
		status=$?
	done
	[ "$status" -gt 128 ] && kill -KILL "$server_pid" # the time is over
	wait "$server_pid"
	status=$?
	server_pid=
	return "$status"
}

start_server
check_commands
check_pipe
check_benchmarks
same "the server still answers" PONG "$(cli PING)"
if ! exempt sigterm; then
	stop_server
	same "SIGTERM ends it with 0" 0 $?
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

#!/bin/sh
# Runs ava with a time limit: `ava.sh SECONDS ARGUMENT...`, one file at a time. Each file is a process of its own; one
# that says nothing for longer, no test of it having ended, is killed, counts as failed, and ava goes on with the next.
# (Its own --timeout does not help: the TAP reporter of ava 6.4 fails on it, which ends the run.)
limit=$1
shift
POLL=5
export CLOISTER_TEST_HANG_SECONDS=300 # for test/helpers/cli.ts: everything is slow here

own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
mkfifo "$own/tap"
echo 0 >"$own/lines"
node -- node_modules/ava/entrypoints/cli.mjs --tap --serial --concurrency 1 --timeout 24h "$@" >"$own/tap" &
ava=$!
(
  waited=0
  while sleep $POLL && now=$(cat "/proc/$ava/task/$ava/children" 2>/dev/null); do
    now=${now%% *}
    read -r lines <"$own/lines" || continue # it is being written
    if [ "$now $lines" != "$last" ]; then waited=0; else waited=$((waited + POLL)); fi
    last="$now $lines"
    if [ -n "$now" ] && [ "$waited" -ge "$limit" ]; then
      echo "no test has ended for $limit s: the process of its file is killed" >&2
      kill -9 "$now"
      waited=0
    fi
  done
) &
lines=0
while IFS= read -r line; do
  printf '%s\n' "$line"
  lines=$((lines + 1))
  echo $lines >"$own/lines"
done <"$own/tap"
wait $ava
status=$?
kill $! 2>/dev/null
exit $status

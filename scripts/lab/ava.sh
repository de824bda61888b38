#!/bin/sh
# Runs ava with a time limit for each test file: `ava.sh SECONDS ARGUMENT...`, one file at a time. Each file is a process
# of its own; one that takes longer is killed, counts as failed, and ava goes on with the next. (Its own --timeout does
# not help: the TAP reporter of ava 6.4 fails on it, which ends the run.)
limit=$1
shift
POLL=5
export CLOISTER_TEST_HANG_SECONDS=300 # for test/helpers/cli.ts: everything is slow here

node -- node_modules/ava/entrypoints/cli.mjs --tap --serial --concurrency 1 --timeout 24h "$@" &
ava=$!
(
  waited=0
  while sleep $POLL && now=$(cat "/proc/$ava/task/$ava/children" 2>/dev/null); do
    now=${now%% *}
    if [ "$now" != "$last" ]; then waited=0; else waited=$((waited + POLL)); fi
    last=$now
    if [ -n "$now" ] && [ "$waited" -ge "$limit" ]; then
      echo "a test file took longer than $limit s: its process is killed" >&2
      kill -9 "$now"
      waited=0
    fi
  done
) &
wait $ava
status=$?
kill $! 2>/dev/null
exit $status

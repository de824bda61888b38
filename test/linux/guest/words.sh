# What the guest's scripts have in common: to check something and to say it, on $voice.
say() { printf '%s\n' "$*" >"$voice"; }
fail() { say "FAIL $*"; }
check() { # NAME COMMAND...
  name=$1
  shift
  if "$@" >/tmp/said 2>&1; then say "PASS $name"; else fail "$name: $(tail -n 3 /tmp/said | tr '\n' ' ')"; fi
}
# Waits up to so many seconds until the command succeeds.
within() {
  left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}
digest() { sha256sum | cut -d ' ' -f 1; }
same() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }

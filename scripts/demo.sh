#!/bin/sh
# The tour: what this host can run, then one program at every isolation level, side by side.
cd "$(dirname "$0")/.." || exit 1

heading() { printf '\n== %s\n\n' "$*"; }

heading 'cloister doctor'
bin/cloister doctor || {
  printf '\nMend what fails above, then: make demo\n'
  exit 1
}

heading 'cloister compare /bin/busybox -- sha256sum /bin/busybox'
bin/cloister compare /bin/busybox -- sha256sum /bin/busybox || exit 1

heading 'Try next'
cat <<'END'
  bin/cloister run /bin/busybox uname -a                               a virtual machine of its own: our guest kernel answers
  bin/cloister run --isolation container /bin/busybox uname -a         a container: the host kernel answers
  echo hello | bin/cloister run -i /bin/busybox tr a-z A-Z             standard input
  bin/cloister run --timeout 2s /bin/busybox sleep 60; echo $?         a time limit: 124
  bin/cloister run --trace exits /bin/busybox true                     every exit of the VM, in words
  bin/cloister ps -a                                                   what ran
  bin/cloister --help
END

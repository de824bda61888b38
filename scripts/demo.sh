#!/bin/sh
# The tour: what this host can run, then one program at every isolation level, side by side.
cd "$(dirname "$0")/.." || exit 1

heading() { printf '\n== %s\n\n' "$*"; }

heading 'cloister doctor'
bin/cloister doctor || {
  printf '\nMend what fails above, then: make demo\n'
  exit 1
}

# Times and isolation take a few seconds, all six parts a minute: that is for who wants to know more. Where KVM emulates
# kernel mode, a Linux boots in seconds of its own: a microVM started cold is then most of it.
heading 'cloister compare --quick /bin/busybox -- sha256sum /bin/busybox'
bin/cloister compare --quick /bin/busybox -- sha256sum /bin/busybox || exit 1

heading 'Try next'
cat <<'END'
  bin/cloister compare --html report.html /bin/busybox -- sha256sum /bin/busybox
                                                                       all of it, in a minute: also memory, density,
                                                                       run cost and bad neighbours; a page with plots
  bin/cloister bench boot                                              a cold start, beside QEMU, runc and crun
  bin/cloister run /bin/busybox uname -a                               a virtual machine of its own: our guest kernel answers
  bin/cloister run --isolation microvm /bin/busybox uname -a           one with a Linux in it, in which all programs run
  bin/cloister run --isolation container /bin/busybox uname -a         a container: the host kernel answers
  bin/cloister run -d --name web /bin/busybox sleep 600                in the background; then: bin/cloister stop web
  echo hello | bin/cloister run -i /bin/busybox tr a-z A-Z             standard input
  bin/cloister run --timeout 2s /bin/busybox sleep 60; echo $?         a time limit: 124
  bin/cloister run --trace exits /bin/busybox true                     every exit of the VM, in words
  bin/cloister ps -a                                                   what ran
  bin/cloister --help
END

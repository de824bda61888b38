#!/bin/sh
# Builds a Linux for guests out of Debian's source package, and prints the path of its vmlinux:
#   build.sh standard        Linux as it is, configured for our devices: for KVM on hardware
#   build.sh software-kvm    the same with the changes of edits/: for a KVM that emulates kernel mode
#   build.sh                 the one for this host      build.sh --is-built [FLAVOUR]    says by its status whether it is
# Needs no root and no network. What it makes is kept in the cache under a digest of all that went in, and
# guest-kernel/build/linux/FLAVOUR/vmlinux leads there. LINUX_SOURCE=FILE takes another tarball than the newest in
# /usr/src. Ends with 77 where a tool or the source is missing. README.md says the rest.
set -eu
umask 022
export LC_ALL=C

UNAVAILABLE=77
RECIPE=1 # raised when this script comes to make something else of the same source, configuration and edits
recipe=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cloister/linux

say() { printf 'linux: %s\n' "$*" >&2; }
unavailable() { say "$@"; exit $UNAVAILABLE; }

only_ask=
if [ "${1-}" = --is-built ]; then only_ask=yes; shift; fi
case ${1-} in
  '') if [ -e /sys/module/kvm_pvm ]; then flavour=software-kvm; else flavour=standard; fi ;;
  standard | software-kvm) flavour=$1 ;;
  *) say "there is no flavour $1: standard, or software-kvm"; exit 2 ;;
esac
# How many steps there are is known when all are done: for the percents they were counted once.
case $flavour in
  standard) edits='' about=1740 ;;
  software-kvm) edits="$recipe/edits/correctness.js $recipe/edits/cost.js" about=1290 ;;
esac

# --- what it takes ---
missing=''
need() { # COMMAND-OR-FILE PACKAGE
  case $1 in
    /*) [ -e "$1" ] || missing="$missing $2" ;;
    *) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
  esac
}
need gcc gcc
need ld binutils
need make make
need flex flex
need bison bison
need bc bc
need xz xz-utils
need perl perl
need node nodejs
need flock util-linux
need /usr/include/gelf.h libelf-dev # objtool
source=${LINUX_SOURCE:-$(for file in /usr/src/linux-source-*.tar.xz; do [ ! -e "$file" ] || printf '%s\n' "$file"; done |
  sort -V | tail -n 1)}
[ -n "$source" ] || missing="$missing linux-source"
[ -z "$missing" ] || unavailable "cannot be built here without these Debian packages: apt-get install --no-install-recommends$missing"
[ -r "$source" ] || unavailable "$source cannot be read"

# --- what it is made of ---
# Of an installed package dpkg knows the checksum; of another file we find it out.
package=$(basename "$source" .tar.xz)
checksum=$(dpkg-query --control-show "$package" md5sums 2>/dev/null | sed -n "s|  ${source#/}\$||p")
[ -n "$checksum" ] || checksum=$(sha256sum <"$source")
digest=$({
  printf '%s\n' "$RECIPE" "$flavour" "$checksum" "$(gcc --version | head -n 1)" "$(ld --version | head -n 1)"
  # shellcheck disable=SC2086 # words
  cat "$recipe/common.config" "$recipe/$flavour.config" $edits
} | sha256sum | cut -d ' ' -f 1)
result=$cache/$digest

links=$recipe/../build/linux/$flavour
link=$links/vmlinux
finish() {
  mkdir -p "$links"
  target=$result/vmlinux
  # An installed package is there for users who do not see into the cache of whoever builds.
  if [ ! -e "$recipe/../../Makefile" ]; then
    target=$digest/vmlinux
    if [ ! -e "$links/$target" ]; then
      cp -rf "$result" "$links/.$digest.$$" && mv -T "$links/.$digest.$$" "$links/$digest"
    fi
  fi
  if [ "$(readlink "$link" 2>/dev/null)" != "$target" ]; then
    ln -sfn "$target" "$link.$$" && mv -fT "$link.$$" "$link"
  fi
  printf '%s\n' "$result/vmlinux"
  exit 0
}
# It would be known only after minutes.
if [ -z "$only_ask" ]; then
  mkdir -p "$links" && [ -w "$links" ] || { say "$links cannot be written: run this as whoever owns it"; exit 1; }
fi
[ ! -e "$result/vmlinux" ] || finish
[ -z "$only_ask" ] || exit 1

# --- one build at a time; what a killed one left goes ---
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock -n 9 || { say 'another build is under way: waiting for it'; flock 9; }
[ ! -e "$result/vmlinux" ] || finish
rm -rf "$cache"/.unfinished-*
work=$(mktemp -d "$cache/.unfinished-XXXXXX")
making='' showing=''
leave() {
  for job in $making $showing; do kill "$job" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

say "building $flavour from $package, once: some minutes"
tree=$work/tree
mkdir "$tree"
# Of 80,000 files those that other machines and devices want stay where they are, but for their Kconfig files.
set -- '*/arch/[!x]*/*.[chS]' '*.dts' '*.dtsi' '*/Documentation/*/*' '*/tools/testing/*' '*/tools/perf/*' '*/sound/*.[ch]'
for devices in accel gpu hid iio infiniband isdn media mtd net/ethernet net/wireless scsi staging usb; do
  set -- "$@" "*/drivers/$devices/*.[ch]"
done
for pattern; do printf '%s\n' "$pattern"; done >"$work/unwanted"
tar -xf "$source" -C "$tree" --strip-components=1 -X "$work/unwanted" 9>&-
# shellcheck disable=SC2086
[ -z "$edits" ] || node "$recipe/edit.js" "$tree" $edits

# --- the same bytes, whoever builds it, where and when ---
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=cloister KBUILD_BUILD_HOST=cloister KBUILD_BUILD_VERSION=1
export KCONFIG_NOTIMESTAMP=1 KCFLAGS="-ffile-prefix-map=$tree=." KAFLAGS="-ffile-prefix-map=$tree=."
unset MAKEFLAGS MAKELEVEL MFLAGS # of a make that we are a part of
configure() {
  make -s -C "$tree" tinyconfig
  cd "$tree"
  scripts/kconfig/merge_config.sh -m .config "$recipe/common.config" "$recipe/$flavour.config"
  make -s olddefconfig
}
(configure) >"$work/log" 2>&1 9>&- || { tail -n 20 "$work/log" >&2; say 'could not be configured'; exit 1; }

# What was asked for and is not there hangs on something else that is not there; what no Kconfig file knows was renamed.
asked=$(cat "$recipe/common.config" "$recipe/$flavour.config")
lost=$(printf '%s\n' "$asked" | grep '^CONFIG_' | grep -vxFf "$tree/.config" || true)
for option in $(printf '%s\n' "$asked" | sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1/p'); do
  ! grep -q "^$option=" "$tree/.config" || lost="$lost $option=n"
done
grep -rhoE --include='Kconfig*' '^[[:space:]]*(menu)?config +[A-Z0-9_]+' "$tree" | sed 's/.*config */CONFIG_/' |
  sort -u >"$work/known"
unknown=$(printf '%s\n' "$asked" | grep -oE '^(# )?CONFIG_[A-Z0-9_]+' | sed 's/^# //' | grep -vxFf "$work/known" || true)
# shellcheck disable=SC2086 # words
[ -z "$unknown" ] || { say "this Linux has no such options:" $unknown; exit 1; }
# shellcheck disable=SC2086
[ -z "$lost" ] || { say "these options could not be had:" $lost; exit 1; }

# --- the build, and how far it is ---
progress() { # a line that is written over on a terminal, else one now and then
  while sleep 1; do
    steps=$(grep -c '^  [A-Z]' "$work/log" || true)
    percent=$((steps * 100 / about))
    [ "$percent" -lt 99 ] || percent=99
    seconds=$(($(date +%s) - started))
    if [ -t 2 ]; then
      printf '\rlinux: %d of about %d steps, %d %%, %d s ' "$steps" "$about" "$percent" "$seconds" >&2
    elif [ $((seconds % 10)) -eq 0 ]; then
      say "$steps of about $about steps, $percent %, $seconds s"
    fi
  done
}
started=$(date +%s)
: >"$work/log"
make -C "$tree" -j"${JOBS:-$(nproc)}" vmlinux >"$work/log" 2>"$work/errors" 9>&- &
making=$!
progress 9>&- &
showing=$!
status=0
wait "$making" || status=$?
making=''
kill "$showing" 2>/dev/null || true
wait "$showing" 2>/dev/null || true
showing=''
[ ! -t 2 ] || printf '\r\033[K' >&2
if [ "$status" != 0 ]; then
  grep -m 10 -A 3 -E 'error:|\*\*\*|undefined reference' "$work/errors" >&2 || tail -n 20 "$work/errors" >&2
  say "the build failed; all it said: $cache/failed-$flavour.log"
  cat "$work/log" "$work/errors" >"$cache/failed-$flavour.log"
  exit 1
fi

mkdir "$work/done"
strip -o "$work/done/vmlinux" "$tree/vmlinux"
cp "$tree/.config" "$work/done/config"
cp "$tree/System.map" "$work/done/System.map"
make -s -C "$tree" kernelrelease >"$work/done/release"
printf '%s %s\n' "$package" "$checksum" >"$work/done/source"
chmod 644 "$work/done"/*
say "built $flavour $(cat "$work/done/release") in $(($(date +%s) - started)) s: $(grep -c '^  [A-Z]' "$work/log") steps"
rm -rf "$result"
mv "$work/done" "$result"
finish

#!/bin/sh
# Fetches the lab's kernel as a Debian package and unpacks, into the cache, its image and the few modules the lab
# loads. Nothing is installed. Prints the folder: vmlinuz, modules/*.ko, and `order`, in which modules are loaded.
set -eu
umask 022

META=linux-image-amd64 # the -cloud- kernel has no 9p
WANTED='virtio_pci 9pnet_virtio 9p overlay virtio_console qemu_fw_cfg kvm-amd tun'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cloister/lab

say() { printf 'lab: %s\n' "$*" >&2; }

newest_cached() {
  for folder in "$cache"/linux-image-*; do [ -e "$folder/order" ] && printf '%s\n' "$folder"; done | sort -V | tail -n 1
}

# The kernel that apt would install now; without package lists, the newest one at hand.
name=$(apt-cache depends "$META" 2>/dev/null | sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
if [ -z "$name" ]; then
  newest=$(newest_cached)
  [ -n "$newest" ] || { say "apt knows no $META: run \`apt-get update\`, on Debian."; exit 1; }
  printf '%s\n' "$newest"
  exit
fi
version=$(apt-cache policy "$name" | sed -n 's/^  Candidate: //p')
folder=$cache/${name}_$version
if [ -e "$folder/order" ]; then
  printf '%s\n' "$folder"
  exit
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/.unfinished-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

say "fetching $name $version, about 70 MB, once"
# apt as root would rather fetch as its own user, which cannot write here.
if ! (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$name=$version" >log 2>&1); then
  tail -n 3 "$work/log" >&2
  newest=$(newest_cached)
  [ -n "$newest" ] || { say 'the kernel could not be fetched: try `apt-get update` first.'; exit 1; }
  say "going on with ${newest##*/}"
  printf '%s\n' "$newest"
  exit
fi
dpkg-deb -x "$work"/*.deb "$work/all"

# A module names those it stands on in its own .modinfo section.
mkdir -p "$work/done/modules"
take() { # MODULE: what it stands on first
  for depends in $(tr '\0' '\n' <"$(file_of "$1")" | sed -n 's/^depends=//p' | tr ',' ' '); do take "$depends"; done
  grep -qxF "$1.ko" "$work/done/order" && return
  cp "$(file_of "$1")" "$work/done/modules/$1.ko"
  printf '%s.ko\n' "$1" >>"$work/done/order"
}
file_of() { # file names have - where module names may have _
  find "$work/all" -name "$(printf %s "$1" | sed 's/[-_]/[-_]/g').ko" | grep . || { say "$name has no module $1"; exit 1; }
}
: >"$work/done/order"
for module in $WANTED; do take "$module"; done
cp "$work"/all/boot/vmlinuz-* "$work/done/vmlinuz"
rm -rf "$folder"
mv "$work/done" "$folder"
printf '%s\n' "$folder"

#!/bin/sh
# Fetches the lab's kernel as a Debian package and unpacks, into the cache, its image and the few modules the lab
# loads. Nothing is installed. Prints the folder: vmlinuz, modules/*.ko, and `order`, in which modules are loaded. In
# guest/ the same for a guest of ours that boots this kernel: drivers for the devices of a Cloister VM, file systems.
# Ends with 77 where there is none to be had. What is in the cache is used as it is: remove it to get the newest.
set -eu
umask 022

UNAVAILABLE=77
META=linux-image-amd64 # the -cloud- kernel has no 9p
WANTED='virtio_pci 9pnet_virtio 9p overlay virtio_console qemu_fw_cfg kvm-amd tun'
GUEST_WANTED='virtio_mmio virtio_blk virtio_net virtio_console virtio_rng virtio_balloon vmw_vsock_virtio_transport
  9pnet_virtio 9p overlay crc32c_generic erofs'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cloister/lab

say() { printf 'lab: %s\n' "$*" >&2; }
unavailable() { say "$@"; exit $UNAVAILABLE; }

# Ends the script when the cache has a kernel, with the module that came to be wanted last.
use_cached() {
  newest=$(for folder in "$cache"/linux-image-*; do [ ! -e "$folder/guest/modules/erofs.ko" ] || printf '%s\n' "$folder"; done |
    sort -V | tail -n 1)
  [ -z "$newest" ] || { printf '%s\n' "$newest"; exit; }
}
use_cached

for tool in apt-get apt-cache dpkg-deb flock; do
  command -v "$tool" >/dev/null || unavailable "its kernel comes as a Debian package, and there is no $tool here."
done
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock -n 9 || { say 'another run is fetching the kernel: waiting for it'; flock 9; }
use_cached
find "$cache" -maxdepth 1 -name '.unfinished-*' -mmin +1440 -exec rm -rf {} + # of runs that were killed
work=$(mktemp -d "$cache/.unfinished-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# apt as root would rather fetch as its own user, which cannot write here.
set -- -q -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15
fetch() {
  name=$(apt-cache "$@" depends "$META" 2>/dev/null | sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
  [ -n "$name" ] || { echo "apt has no $META" >>"$work/log"; return 1; }
  version=$(apt-cache "$@" policy "$name" | sed -n 's/^  Candidate: //p')
  say "fetching $name $version, about 70 MB, once"
  (cd "$work" && timeout 900 apt-get "$@" download "$name=$version" >>log 2>&1)
}

# The host's package lists may be absent, or so old that the package is gone: then we go by lists of our own.
if ! fetch "$@"; then
  say 'fetching package lists'
  mkdir -p "$work/lists/partial"
  set -- "$@" -o Dir::State::Lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  if ! timeout 600 apt-get "$@" update >>"$work/log" 2>&1 || ! fetch "$@"; then
    sed -n 's/^[EW]: /lab:   /p' "$work/log" | sort -u | tail -n 3 >&2
    unavailable 'its kernel could not be fetched from the Debian mirrors of this machine.'
  fi
fi
dpkg-deb -x "$work"/*.deb "$work/all"

# A module names those it stands on in its own .modinfo section. Newer packages have them compressed.
take() { # MODULE, after what it stands on, into $into
  ! grep -qxF "$1.ko" "$into/order" || return 0
  # File names have - where module names may have _.
  file=$(find "$work/all" -name "$(printf %s "$1" | sed 's/[-_]/[-_]/g').ko*")
  case $file in
    '') say "$name has no module $1"; exit 1 ;;
    *.xz) busybox unxz -c "$file" >"$into/modules/$1.ko" ;;
    *) cp "$file" "$into/modules/$1.ko" ;;
  esac
  for depends in $(tr '\0' '\n' <"$into/modules/$1.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do take "$depends"; done
  printf '%s.ko\n' "$1" >>"$into/order"
}
take_all() { # FOLDER MODULE...
  into=$1
  shift
  mkdir -p "$into/modules"
  : >"$into/order"
  for module; do take "$module"; done
}
# shellcheck disable=SC2086 # words
take_all "$work/done" $WANTED
# shellcheck disable=SC2086
take_all "$work/done/guest" $GUEST_WANTED
cp "$work"/all/boot/vmlinuz-* "$work/done/vmlinuz"
folder=$cache/${name}_$version
rm -rf "$folder"
mv "$work/done" "$folder"
printf '%s\n' "$folder"

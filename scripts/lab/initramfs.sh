#!/bin/sh
# Builds the lab's initramfs: the host's static busybox, the modules, init. Cached by a digest of what is in it.
# Usage: initramfs.sh KERNEL-FOLDER. Prints the file. Ends with 77 where there is no such busybox.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1
busybox=$(command -v busybox) && ! grep -q /ld-linux "$busybox" ||
  { echo 'lab: busybox-static is missing (apt-get install busybox-static).' >&2; exit 77; }

digest=$(cat "$here/initramfs.sh" "$here/init" "$busybox" "$kernel"/order "$kernel"/modules/* | sha256sum | cut -c 1-16)
file=${kernel%/*}/initramfs-$digest.cpio
if [ ! -e "$file" ]; then
  work=$(mktemp -d "${kernel%/*}/.unfinished-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM HUP
  mkdir -p "$work/tree/bin" "$work/tree/proc" "$work/tree/sys" "$work/tree/dev" "$work/tree/run"
  cp "$busybox" "$work/tree/bin/busybox"
  install -m 755 "$here/init" "$work/tree/init"
  cp -r "$kernel/modules" "$kernel/order" "$work/tree/"
  (cd "$work/tree" && find . | busybox cpio -o -H newc -R 0:0 >"$work/cpio" 2>/dev/null)
  # Those of other checkouts stay while they are used.
  find "${kernel%/*}" -maxdepth 1 -name 'initramfs-*.cpio' -mmin +1440 -exec rm -f {} +
  mv "$work/cpio" "$file"
fi
touch "$file"
printf '%s\n' "$file"

#!/bin/sh
# Gets this checkout what it needs: Node is checked, npm and Debian packages are installed where they are missing.
# Says what it does; does nothing, quickly, when nothing is missing.
set -u
cd "$(dirname "$0")/.." || exit 1

say() { printf '%s\n' "$*" >&2; }

# --- Node ---
if ! command -v node >/dev/null 2>&1; then
  say 'setup: Node.js is missing: install Node.js 20.19 or later, with npm.'
  exit 1
fi
node -e '
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) process.exit(0)
  console.error(`setup: this is Node.js ${process.versions.node}, and Cloister needs 20.19 or later.`)
  process.exit(1)
' || exit 1

# --- Debian packages: what must be there, and what only a few tests or levels want ---
missing=''
need() { # COMMAND-OR-FILE PACKAGE
  case $1 in
    /*) [ -e "$1" ] || missing="$missing $2" ;;
    *) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
  esac
}
PATH=$PATH:/usr/sbin:/sbin
need gcc gcc
need ld binutils
need make make
need /usr/include/stdlib.h libc6-dev
need /usr/include/linux/kvm.h linux-libc-dev
need /bin/busybox busybox-static
need musl-gcc musl-tools
need qemu-system-x86_64 qemu-system-x86
need strace strace
need ip iproute2
need /usr/sbin/nft nftables
# The Linux of microVMs (guest-kernel/linux) and the image of their files.
ls /usr/src/linux-source-*.tar.xz >/dev/null 2>&1 || missing="$missing linux-source"
need flex flex
need bison bison
need bc bc
need xz xz-utils
need /usr/include/gelf.h libelf-dev
need mkfs.erofs erofs-utils
# Both: which one works depends on the host's cgroups, and the tests' other host, the lab, is of another kind.
need runc runc
need crun crun

# A busybox that is not static would run at no level; Debian has both under one name.
if [ -x /bin/busybox ] && grep -q /ld-linux /bin/busybox; then missing="$missing busybox-static"; fi

# The lists may be absent or old: they are fetched only when the first try says so. Of two set-ups at once, one waits.
install() { # PACKAGES
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "setup: these packages are missing; as root: apt-get install -y --no-install-recommends$1"
    return
  fi
  say "setup: installing Debian packages:$1"
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  apt='apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3'
  if ! $apt install -y --no-install-recommends $1 >"$log" 2>&1; then
    say 'setup: fetching package lists'
    { $apt update && $apt install -y --no-install-recommends $1; } >"$log" 2>&1 || {
      tail -n 5 "$log" >&2
      say "setup: that failed; going on with what is here. By hand: apt-get install --no-install-recommends$1"
    }
  fi
  rm -f "$log"
}
[ -z "$missing" ] || install "$missing"
# For one test, of the HTML report, which is skipped without it: 124 MB to fetch, so only where it is asked for.
if [ "${CHROMIUM:-no}" = yes ] && ! command -v chromium >/dev/null 2>&1; then install ' chromium'; fi

if ! command -v gcc >/dev/null 2>&1 || ! command -v make >/dev/null 2>&1; then
  say 'setup: without gcc and make the guest kernel cannot be built.'
  exit 1
fi

# --- npm packages ---
stamp=node_modules/.package-lock.json
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  say 'setup: installing npm packages'
  log=$(mktemp)
  npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1 || {
    grep -m 5 'npm error' "$log" >&2
    say 'setup: npm ci failed; trying npm install, which takes what the registry has'
    npm install --no-save --no-audit --no-fund --loglevel=error >&2 || exit 1
  }
  rm -f "$log"
  touch "$stamp"
fi

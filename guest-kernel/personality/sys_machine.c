/* What the machine offers and how much of it is used: limits, usage, sysinfo, uname. */
#include <linux/resource.h>
#include <linux/sysinfo.h>

#include "fd.h"
#include "memory.h"
#include "process.h"
#include "syscall.h"
#include "window.h"

#define LIMIT_COUNT 16

static struct rlimit64 limit_of(unsigned resource) {
  uint64_t memory = window_pages * PAGE_BYTES;
  switch (resource) {
    case RLIMIT_NOFILE: return (struct rlimit64){FD_MAX, FD_MAX};
    case RLIMIT_NPROC: return (struct rlimit64){1, 1};
    case RLIMIT_STACK: return (struct rlimit64){process.stack_bytes, process.stack_bytes};
    case RLIMIT_AS:
    case RLIMIT_DATA:
    case RLIMIT_FSIZE: return (struct rlimit64){memory, memory};
    case RLIMIT_CORE: return (struct rlimit64){0, 0};
    default: return (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
  }
}

/* Limits are facts of this machine: lowering one is accepted and changes nothing. */
static int64_t set_limit(unsigned resource, uint64_t address) {
  struct rlimit64 wanted, limit = limit_of(resource);
  if (copy_from_user(&wanted, address, sizeof wanted)) return -EFAULT;
  if (wanted.rlim_cur > wanted.rlim_max) return -EINVAL;
  return wanted.rlim_cur > limit.rlim_max && wanted.rlim_cur != RLIM64_INFINITY ? -EPERM : 0;
}

int64_t sys_prlimit64(const uint64_t arg[6]) {
  unsigned resource = (unsigned)arg[1];
  if ((int)arg[0] != 0 && (int)arg[0] != PROCESS_ID) return -ESRCH;
  if (resource >= LIMIT_COUNT) return -EINVAL;
  if (arg[2]) {
    int64_t error = set_limit(resource, arg[2]);
    if (error) return error;
  }
  struct rlimit64 limit = limit_of(resource);
  return arg[3] ? copy_to_user(arg[3], &limit, sizeof limit) : 0;
}

int64_t sys_getrlimit(const uint64_t arg[6]) {
  if ((unsigned)arg[0] >= LIMIT_COUNT) return -EINVAL;
  struct rlimit64 limit = limit_of((unsigned)arg[0]);
  return copy_to_user(arg[1], &limit, sizeof limit);
}

int64_t sys_setrlimit(const uint64_t arg[6]) {
  return (unsigned)arg[0] >= LIMIT_COUNT ? -EINVAL : set_limit((unsigned)arg[0], arg[1]);
}

int64_t sys_getrusage(const uint64_t arg[6]) {
  if ((int)arg[0] != RUSAGE_SELF && (int)arg[0] != RUSAGE_THREAD && (int)arg[0] != RUSAGE_CHILDREN) return -EINVAL;
  struct rusage usage = {0};
  if ((int)arg[0] != RUSAGE_CHILDREN) {
    uint64_t now = platform_monotonic_ns();
    usage.ru_utime.tv_sec = (long)(now / NS_PER_SECOND);
    usage.ru_utime.tv_usec = (long)(now % NS_PER_SECOND / 1000);
    usage.ru_maxrss = (long)(memory_program_pages() * (PAGE_BYTES / 1024));
  }
  return copy_to_user(arg[1], &usage, sizeof usage);
}

int64_t sys_sysinfo(const uint64_t arg[6]) {
  struct sysinfo info = {
    .uptime = (long)(platform_monotonic_ns() / NS_PER_SECOND),
    .totalram = window_pages * PAGE_BYTES,
    .freeram = pages_free_count() * PAGE_BYTES,
    .procs = 1,
    .mem_unit = 1,
  };
  return copy_to_user(arg[0], &info, sizeof info);
}

static void copy_name(char *to, const char *from, size_t capacity) {
  size_t length = min_size(strlen(from), capacity - 1);
  memcpy(to, from, length);
  memset(to + length, 0, capacity - length);
}

int64_t sys_uname(const uint64_t arg[6]) {
  struct new_utsname names = {
    .sysname = "Linux",
    .release = UNIKERNEL_RELEASE,
    .version = "#1 Cloister",
    .machine = "x86_64",
    .domainname = "(none)",
  };
  copy_name(names.nodename, process.hostname, sizeof names.nodename);
  return copy_to_user(arg[0], &names, sizeof names);
}

int64_t sys_sethostname(const uint64_t arg[6]) {
  char name[__NEW_UTS_LEN + 1] = {0};
  if ((int64_t)arg[1] < 0 || arg[1] > __NEW_UTS_LEN) return -EINVAL;
  if (copy_from_user(name, arg[0], arg[1])) return -EFAULT;
  memcpy(process.hostname, name, sizeof name);
  return 0;
}

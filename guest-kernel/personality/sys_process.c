/* The process itself: identity, limits, threads it does not have, its end. */
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sysinfo.h>

#include "clock.h"
#include "fd.h"
#include "memory.h"
#include "path.h"
#include "window.h"
#include "process.h"
#include "signal.h"
#include "syscall.h"

#define LIMIT_COUNT 16

struct process process = {.umask = 022, .hostname = "cloister"};

int64_t sys_exit(const uint64_t arg[6]) { platform_exit((uint32_t)arg[0] & 0xff, 0, CLOISTER_EXIT_PROGRAM); }

int64_t sys_getpid(const uint64_t arg[6]) {
  (void)arg;
  return PROCESS_ID;
}

int64_t sys_getppid(const uint64_t arg[6]) {
  (void)arg;
  return 0;
}

int64_t sys_getpgid(const uint64_t arg[6]) { return (int)arg[0] == 0 || (int)arg[0] == PROCESS_ID ? PROCESS_ID : -ESRCH; }

/* The leader of its session keeps its group. */
int64_t sys_setpgid(const uint64_t arg[6]) { return (int)arg[0] == 0 || (int)arg[0] == PROCESS_ID ? -EPERM : -ESRCH; }

int64_t sys_setsid(const uint64_t arg[6]) {
  (void)arg;
  return -EPERM; /* already the leader */
}

int64_t sys_getuid(const uint64_t arg[6]) {
  (void)arg;
  return process.uid;
}

int64_t sys_getgid(const uint64_t arg[6]) {
  (void)arg;
  return process.gid;
}

/* setuid, setreuid, setresuid, and the same for groups: the last identity that is not -1 becomes the one there is. */
static void take_identity(uint32_t *identity, const uint64_t *wanted, size_t count) {
  for (size_t i = 0; i < count; i++)
    if ((uint32_t)wanted[i] != UINT32_MAX) *identity = (uint32_t)wanted[i];
}

int64_t sys_setuid(const uint64_t arg[6]) {
  take_identity(&process.uid, arg, 1);
  return 0;
}

int64_t sys_setgid(const uint64_t arg[6]) {
  take_identity(&process.gid, arg, 1);
  return 0;
}

int64_t sys_setreuid(const uint64_t arg[6]) {
  take_identity(&process.uid, arg, 2);
  return 0;
}

int64_t sys_setregid(const uint64_t arg[6]) {
  take_identity(&process.gid, arg, 2);
  return 0;
}

int64_t sys_setresuid(const uint64_t arg[6]) {
  take_identity(&process.uid, arg, 2);
  return 0;
}

int64_t sys_setresgid(const uint64_t arg[6]) {
  take_identity(&process.gid, arg, 2);
  return 0;
}

static int64_t report_three(const uint64_t address[3], uint32_t identity) {
  for (int i = 0; i < 3; i++)
    if (copy_to_user(address[i], &identity, sizeof identity)) return -EFAULT;
  return 0;
}

int64_t sys_getresuid(const uint64_t arg[6]) { return report_three(arg, process.uid); }
int64_t sys_getresgid(const uint64_t arg[6]) { return report_three(arg, process.gid); }

int64_t sys_getgroups(const uint64_t arg[6]) { return (int)arg[0] < 0 ? -EINVAL : 0; }

int64_t sys_setgroups(const uint64_t arg[6]) {
  if (arg[0] > 65536) return -EINVAL;
  return user_range(arg[1], arg[0] * sizeof(uint32_t), MAP_READ) ? 0 : -EFAULT;
}

/* All capabilities, of the two 32-bit sets of version 3. */
int64_t sys_capget(const uint64_t arg[6]) {
  struct __user_cap_header_struct header;
  if (copy_from_user(&header, arg[0], sizeof header)) return -EFAULT;
  if (header.version != _LINUX_CAPABILITY_VERSION_3) {
    header.version = _LINUX_CAPABILITY_VERSION_3;
    if (copy_to_user(arg[0], &header, sizeof header)) return -EFAULT;
    return arg[1] ? -EINVAL : 0;
  }
  if (header.pid != 0 && header.pid != PROCESS_ID) return -ESRCH;
  uint32_t high = (uint32_t)((1ull << (CAP_LAST_CAP - 31)) - 1);
  struct __user_cap_data_struct data[2] = {
    {.effective = UINT32_MAX, .permitted = UINT32_MAX}, {.effective = high, .permitted = high},
  };
  return arg[1] ? copy_to_user(arg[1], data, sizeof data) : 0;
}

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

int64_t sys_prctl(const uint64_t arg[6]) {
  char name[sizeof process.name] = {0};
  switch ((int)arg[0]) {
    case PR_SET_NAME: {
      ssize_t length = copy_string_from_user(name, arg[1], sizeof name - 1);
      if (length == -EFAULT) return -EFAULT;
      name[sizeof name - 1] = 0;
      memcpy(process.name, name, sizeof name);
      return 0;
    }
    case PR_GET_NAME: return copy_to_user(arg[1], process.name, sizeof process.name);
    case PR_GET_DUMPABLE: return 0;
    case PR_SET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_NO_NEW_PRIVS: return 0;
    case PR_CAPBSET_READ: return arg[1] <= CAP_LAST_CAP ? 1 : -EINVAL;
    default: return -EINVAL;
  }
}

static bool canonical(uint64_t address) { return address < 1ull << 47; }

int64_t sys_arch_prctl(const uint64_t arg[6]) {
  uint64_t value;
  switch ((int)arg[0]) {
    case ARCH_SET_FS:
      if (!canonical(arg[1])) return -EPERM;
      platform_set_fs_base(arg[1]);
      return 0;
    case ARCH_GET_FS: value = platform_get_fs_base(); return copy_to_user(arg[1], &value, sizeof value);
    default: return -EINVAL;
  }
}

int64_t sys_set_tid_address(const uint64_t arg[6]) {
  (void)arg;
  return PROCESS_ID;
}

int64_t sys_set_robust_list(const uint64_t arg[6]) { return arg[1] == 24 ? 0 : -EINVAL; }

/* One thread: nobody to wake, and nobody who could. */
int64_t sys_futex(const uint64_t arg[6]) {
  int operation = (int)arg[1] & FUTEX_CMD_MASK;
  uint32_t value;
  uint64_t duration, deadline = UINT64_MAX;
  if (arg[0] % sizeof value) return -EINVAL;
  if (copy_from_user(&value, arg[0], sizeof value)) return -EFAULT;
  if (operation == FUTEX_WAKE || operation == FUTEX_WAKE_BITSET) return 0;
  if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET) return -ENOSYS;
  if (value != (uint32_t)arg[2]) return -EAGAIN;
  if (arg[3]) {
    int error = clock_read_timespec(arg[3], &duration);
    if (error) return error;
    uint64_t now = (int)arg[1] & FUTEX_CLOCK_REALTIME ? platform_realtime_ns() : platform_monotonic_ns();
    bool absolute = operation == FUTEX_WAIT_BITSET;
    deadline = clock_deadline(!absolute ? duration : duration > now ? duration - now : 0);
  } else if (!signal_handlers_exist()) {
    return -EDEADLK;
  }
  int error = signal_sleep(deadline, false);
  return error ? -ERESTARTSYS : -ETIMEDOUT;
}

int64_t sys_sched_getaffinity(const uint64_t arg[6]) {
  uint64_t processors = 1;
  if ((int)arg[0] != 0 && (int)arg[0] != PROCESS_ID) return -ESRCH;
  if (arg[1] < sizeof processors || arg[1] % sizeof processors) return -EINVAL;
  return copy_to_user(arg[2], &processors, sizeof processors) ? -EFAULT : (int64_t)sizeof processors;
}

int64_t sys_sched_setaffinity(const uint64_t arg[6]) {
  uint8_t first;
  if ((int)arg[0] != 0 && (int)arg[0] != PROCESS_ID) return -ESRCH;
  if (arg[1] == 0 || copy_from_user(&first, arg[2], 1)) return arg[1] ? -EFAULT : -EINVAL;
  return first & 1 ? 0 : -EINVAL;
}

int64_t sys_getcpu(const uint64_t arg[6]) {
  uint32_t zero = 0;
  for (int i = 0; i < 2; i++)
    if (arg[i] && copy_to_user(arg[i], &zero, sizeof zero)) return -EFAULT;
  return 0;
}

/* Calls that have nothing to do where one process has the machine to itself. */
int64_t sys_nothing(const uint64_t arg[6]) {
  (void)arg;
  return 0;
}

int64_t sys_getrandom(const uint64_t arg[6]) {
  size_t count = min_size(arg[1], 33554431);
  if ((uint32_t)arg[2] & ~7u) return -EINVAL;
  void *bytes = user_range(arg[0], count, MAP_WRITE);
  if (!bytes) return -EFAULT;
  platform_random(bytes, count);
  return (int64_t)count;
}

/* Restartable sequences serve threads on several processors: C libraries ask, and do without. Not worth a log line. */
int64_t sys_rseq(const uint64_t arg[6]) {
  (void)arg;
  return -ENOSYS;
}

/* The program cannot be replaced: but what is not there, or cannot be run, is said as Linux says it. */
int64_t sys_execve(const uint64_t arg[6]) {
  struct inode *inode;
  int error = path_inode_at(AT_FDCWD, arg[0], PATH_FOLLOW, &inode);
  if (error) return error;
  if (inode->ops != &regular_ops || !(inode->mode & 0111)) return -EACCES;
  return syscall_unsupported(__NR_execve);
}

/* No child was ever made. */
int64_t sys_wait4(const uint64_t arg[6]) {
  (void)arg;
  return -ECHILD;
}

/* The log is the host's and not for the program. */
int64_t sys_syslog(const uint64_t arg[6]) {
  (void)arg;
  return -EPERM;
}

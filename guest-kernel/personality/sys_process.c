/* The process itself: its end, its name, the threads and children it does not have. */
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "clock.h"
#include "file.h"
#include "memory.h"
#include "path.h"
#include "process.h"
#include "signal.h"
#include "syscall.h"

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
  int error = signal_sleep(deadline, 0);
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

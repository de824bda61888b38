/* Users, groups, capabilities: kept and reported, never enforced. The program is alone and root on its machine. */
#include <linux/capability.h>

#include "memory.h"
#include "process.h"
#include "syscall.h"

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

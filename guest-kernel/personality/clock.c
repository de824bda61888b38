/* Conversions between the program's time structures and nanoseconds. */
#include "clock.h"
#include "memory.h"

#define SECONDS_MAX (INT64_MAX / (int64_t)NS_PER_SECOND - 1)

static int join(const int64_t parts[2], int64_t units_per_second, uint64_t *ns) {
  if (parts[0] < 0 || parts[1] < 0 || parts[1] >= units_per_second) return -EINVAL;
  int64_t rest = parts[1] * ((int64_t)NS_PER_SECOND / units_per_second);
  *ns = parts[0] > SECONDS_MAX ? INT64_MAX : (uint64_t)(parts[0] * (int64_t)NS_PER_SECOND + rest);
  return 0;
}

static int read_pair(uint64_t address, int64_t units_per_second, uint64_t *ns) {
  int64_t parts[2];
  return copy_from_user(parts, address, sizeof parts) ? -EFAULT : join(parts, units_per_second, ns);
}

static int write_pair(uint64_t address, uint64_t units_per_second, uint64_t ns) {
  uint64_t parts[2] = {ns / NS_PER_SECOND, ns % NS_PER_SECOND / (NS_PER_SECOND / units_per_second)};
  return copy_to_user(address, parts, sizeof parts);
}

int clock_read_timespec(uint64_t address, uint64_t *ns) { return read_pair(address, (int64_t)NS_PER_SECOND, ns); }
int clock_write_timespec(uint64_t address, uint64_t ns) { return write_pair(address, NS_PER_SECOND, ns); }
int clock_read_timeval(uint64_t address, uint64_t *ns) { return read_pair(address, 1000000, ns); }
int clock_write_timeval(uint64_t address, uint64_t ns) { return write_pair(address, 1000000, ns); }

uint64_t clock_deadline(uint64_t ns) { return platform_monotonic_ns() + ns; }

/* Clocks and sleeping. */
#include <linux/time.h>
#include <linux/times.h>

#include "clock.h"
#include "memory.h"
#include "signal.h"
#include "syscall.h"


/* The processor runs nothing but the program: its time is the time since the start. */
static int clock_now(unsigned clock, uint64_t *ns) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI: *ns = platform_realtime_ns(); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: *ns = platform_monotonic_ns(); return 0;
    default: return -EINVAL;
  }
}

int64_t sys_clock_gettime(const uint64_t arg[6]) {
  uint64_t now;
  int error = clock_now((unsigned)arg[0], &now);
  return error ? error : clock_write_timespec(arg[1], now);
}

int64_t sys_clock_getres(const uint64_t arg[6]) {
  uint64_t now;
  int error = clock_now((unsigned)arg[0], &now);
  return error || !arg[1] ? error : clock_write_timespec(arg[1], 1);
}

int64_t sys_gettimeofday(const uint64_t arg[6]) {
  uint64_t zone = 0; /* struct timezone: UTC */
  if (arg[0] && clock_write_timeval(arg[0], platform_realtime_ns())) return -EFAULT;
  return arg[1] ? copy_to_user(arg[1], &zone, sizeof zone) : 0;
}

int64_t sys_time(const uint64_t arg[6]) {
  int64_t seconds = (int64_t)(platform_realtime_ns() / NS_PER_SECOND);
  if (arg[0] && copy_to_user(arg[0], &seconds, sizeof seconds)) return -EFAULT;
  return seconds;
}

int64_t sys_times(const uint64_t arg[6]) {
  int64_t ticks = (int64_t)(platform_monotonic_ns() / (NS_PER_SECOND / TICKS_PER_SECOND));
  struct tms times = {.tms_utime = ticks};
  if (arg[0] && copy_to_user(arg[0], &times, sizeof times)) return -EFAULT;
  return ticks;
}

/* Sleeps until a monotonic deadline; a relative sleep that a signal ends says how much was left. */
static int64_t sleep_until(uint64_t deadline, uint64_t remaining_address) {
  int error = signal_sleep(deadline, 0);
  if (error != -EINTR) return error;
  uint64_t now = platform_monotonic_ns(), left = deadline > now ? deadline - now : 0;
  if (remaining_address && clock_write_timespec(remaining_address, left)) return -EFAULT;
  return -EINTR;
}

int64_t sys_nanosleep(const uint64_t arg[6]) {
  uint64_t duration;
  int error = clock_read_timespec(arg[0], &duration);
  return error ? error : sleep_until(clock_deadline(duration), arg[1]);
}

int64_t sys_clock_nanosleep(const uint64_t arg[6]) {
  const unsigned absolute = 1; /* TIMER_ABSTIME */
  uint64_t now, time;
  int error = clock_now((unsigned)arg[0], &now);
  if (!error) error = clock_read_timespec(arg[2], &time);
  if (error) return error;
  if (!((unsigned)arg[1] & absolute)) return sleep_until(clock_deadline(time), arg[3]);
  return time <= now ? 0 : sleep_until(clock_deadline(time - now), 0);
}

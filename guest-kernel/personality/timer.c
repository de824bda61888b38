/*
 * The one interval timer there is: ITIMER_REAL, which alarm and setitimer set. It goes off on the next way into or
 * out of the kernel, and wakes every sleep; platform_set_alarm() brings a computing program into the kernel in time.
 */
#include "clock.h"
#include "memory.h"
#include "signal.h"
#include "syscall.h"

#define ITIMER_REAL 0

static uint64_t expires = UINT64_MAX; /* monotonic */
static uint64_t interval;

/* One SIGALRM that waits already is as good as many: the timer need not wake anyone for more. */
uint64_t timer_next(void) { return signals.pending & SIGNAL_BIT(SIGALRM) ? UINT64_MAX : expires; }

void timer_arm_again(void) {
  if (expires != UINT64_MAX) platform_set_alarm(expires);
}

static void set(uint64_t at) {
  expires = at;
  platform_set_alarm(at);
}

void timer_check(void) {
  if (expires == UINT64_MAX) return;
  uint64_t now = platform_monotonic_ns();
  if (now < expires) return;
  /* Periods that were missed are skipped, as one pending SIGALRM stands for all of them. */
  set(interval ? expires + interval * ((now - expires) / interval + 1) : UINT64_MAX);
  signal_raise(SIGALRM);
}

static uint64_t remaining(void) {
  uint64_t now = platform_monotonic_ns();
  return expires == UINT64_MAX ? 0 : expires > now ? expires - now : 1;
}

int64_t sys_alarm(const uint64_t arg[6]) {
  uint64_t before = (remaining() + NS_PER_SECOND - 1) / NS_PER_SECOND, seconds = (uint32_t)arg[0];
  interval = 0;
  set(seconds ? clock_deadline(seconds * NS_PER_SECOND) : UINT64_MAX);
  return (int64_t)before;
}

/* struct itimerval: the period, then what is left. */
static int report(uint64_t address) {
  int error = clock_write_timeval(address, interval);
  return error ? error : clock_write_timeval(address + 16, remaining());
}

int64_t sys_getitimer(const uint64_t arg[6]) {
  if ((uint32_t)arg[0] != ITIMER_REAL) return (uint32_t)arg[0] > 2 ? -EINVAL : -ENOSYS;
  return report(arg[1]);
}

int64_t sys_setitimer(const uint64_t arg[6]) {
  uint64_t period = 0, first = 0;
  if ((uint32_t)arg[0] != ITIMER_REAL) return (uint32_t)arg[0] > 2 ? -EINVAL : -ENOSYS;
  if (arg[1]) {
    int error = clock_read_timeval(arg[1], &period);
    if (!error) error = clock_read_timeval(arg[1] + 16, &first);
    if (error) return error;
  }
  if (arg[2]) {
    int error = report(arg[2]);
    if (error) return error;
  }
  interval = period;
  set(first ? clock_deadline(first) : UINT64_MAX);
  return 0;
}

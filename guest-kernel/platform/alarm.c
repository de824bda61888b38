/*
 * One alarm, for a program that computes: the timer interrupts it, and the way back to it finds the signal. Sleeping
 * uses the same timer and leaves the alarm to be set again.
 */
#include "alarm.h"

#include "apic.h"
#include "platform.h"

static uint64_t alarm_deadline = UINT64_MAX;

void platform_set_alarm(uint64_t deadline_ns) {
  alarm_deadline = deadline_ns;
  alarm_interrupted();
}

void alarm_interrupted(void) {
  if (alarm_deadline == UINT64_MAX) return;
  uint64_t now = platform_monotonic_ns();
  if (now < alarm_deadline) timer_start(alarm_deadline - now); /* far deadlines in steps */
  else alarm_deadline = UINT64_MAX;
}

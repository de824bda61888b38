/* The parts of the probe (probe.c). Each verb answers the exit status. */
#pragma once
#include <stdint.h>

/* CLOCK_MONOTONIC, or -1. */
int64_t monotonic_ns(void);
/* The probe's own, which every level has. */
extern const char *own_file;

/* probe-isolation.c */
int isolation(void);

/* probe-cost.c */
int cost(int64_t target_ns);
int work(int64_t interval_ns);
int load(int64_t length_ns);
int cpu(long millions);
int system_calls(long count);
int put_bytes(long count);

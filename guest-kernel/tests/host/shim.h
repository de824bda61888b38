/* The platform under test conditions: memory, streams, clock and log that a test can set and look at. */
#ifndef HOST_SHIM_H
#define HOST_SHIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform.h"

/* How the kernel left, instead of returning: platform_exit(), platform_panic(), or a sleep that nothing would end. */
enum departure { STAYED, ENTERED, EXITED, SLEPT_FOR_EVER, PANICKED };

#define SHIM_DISK_BYTES (256ul << 10)

struct shim {
  jmp_buf back;
  enum departure departure;
  uint32_t status, signal, reason;
  uint64_t entry, stack;
  uint64_t monotonic_ns; /* moves by one microsecond a look, and by sleeping */
  const char *input;
  size_t input_length;
  bool input_open; /* more may be typed: nothing there is not the end */
  const char *late_input; /* typed after so many looks whether there is any */
  unsigned looks_before_late;
  _Alignas(16) uint8_t output[1 << 20];
  size_t output_length;
  char log[1 << 16];
  size_t log_length;
  struct program_args args;
  uint8_t disks[2][SHIM_DISK_BYTES]; /* /dev/vda, and /dev/vdb that cannot be written */
  unsigned disk_flushes;
  bool disk_fails;
};
extern struct shim shim;

/* Starts the personality with this archive and these arguments; what became of it. */
enum departure shim_boot(const uint8_t *cpio, size_t size, struct program_args args, size_t memory);
/* One system call, signals delivered behind it. The registers stay for the next one. */
int64_t shim_call(long number, const uint64_t arguments[6]);
extern struct program_regs shim_regs;

#endif

/* The monotonic clock and sleeping agree: never early, and not wildly late. */
#include "guest.h"

void personality_main(void) {
  struct program_args args;
  platform_wait_args(&args);
  static const uint64_t lengths[] = {0, 1000, 1000000, 20000000, 300000000};
  bool passed = true;
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint64_t start = platform_monotonic_ns();
    platform_sleep_until(start + lengths[i], 0);
    uint64_t took = platform_monotonic_ns() - start;
    print("asked %lu ns, slept %lu ns\n", lengths[i], took);
    if (took < lengths[i] || took > lengths[i] + 2000000000) passed = false;
  }
  uint64_t real = platform_realtime_ns() / 1000000000;
  print("seconds since 1970: %lu\n", real);
  finish("sleep", passed && real > 1700000000);
}

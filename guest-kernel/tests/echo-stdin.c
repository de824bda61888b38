/* Copies stdin to stdout until its end, then says on stderr how many bytes there were. */
#include "guest.h"

void personality_main(void) {
  struct program_args args;
  static uint8_t buffer[65536];
  uint64_t total = 0;
  ssize_t count;
  platform_wait_args(&args);
  while ((count = platform_stream_read(buffer, sizeof buffer, true)) > 0) {
    if (platform_stream_write(1, buffer, (size_t)count) != count) break;
    total += (uint64_t)count;
  }
  char text[64];
  int length = snprintf(text, sizeof text, "%s echo-stdin %lu bytes\n", count ? "FAIL" : "PASS", total);
  platform_stream_write(2, text, (size_t)length);
  platform_exit(count != 0, 0, CLOISTER_EXIT_PROGRAM);
}

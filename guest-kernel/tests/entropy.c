/* Two draws differ, and bits are about half ones. */
#include "guest.h"

void personality_main(void) {
  struct program_args args;
  static uint8_t first[4096], second[4096];
  platform_wait_args(&args);
  platform_random(first, sizeof first);
  platform_random(second, sizeof second);
  unsigned ones = 0;
  for (unsigned i = 0; i < 8 * sizeof first; i++) ones += (first[i / 8] ^ second[i / 8]) >> i % 8 & 1;
  for (unsigned i = 0; i < 16; i++) print("%02x", first[i]);
  print("\n%u of %u bits differ\n", ones, 8 * (unsigned)sizeof first);
  finish("entropy", ones > 15000 && ones < 17800);
}

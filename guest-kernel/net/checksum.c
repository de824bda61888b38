#include "wire.h"

uint16_t checksum(const void *bytes, size_t count) {
  const uint8_t *at = bytes;
  uint64_t sum = 0;
  for (; count > 1; at += 2, count -= 2) sum += at[0] | (uint32_t)at[1] << 8; /* the order does not matter, if it is kept */
  if (count) sum += *at;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

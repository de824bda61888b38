#include "chacha.h"

static uint32_t rotate(uint32_t value, int by) { return value << by | value >> (32 - by); }

/* RFC 8439 section 2.1. */
static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d) {
  *a += *b, *d = rotate(*d ^ *a, 16);
  *c += *d, *b = rotate(*b ^ *c, 12);
  *a += *b, *d = rotate(*d ^ *a, 8);
  *c += *d, *b = rotate(*b ^ *c, 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]) {
  const uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0], key[1],  key[2],   key[3],
                              key[4],     key[5],     key[6],     key[7],     counter, nonce[0], nonce[1], nonce[2]};
  for (int i = 0; i < 16; i++) out[i] = state[i];
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 4; i++) quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
    for (int i = 0; i < 4; i++)
      quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4], &out[12 + (i + 3) % 4]);
  }
  for (int i = 0; i < 16; i++) out[i] += state[i];
}

/* ChaCha20 (RFC 8439) as a random number generator. */
#ifndef CLOISTER_CHACHA_H
#define CLOISTER_CHACHA_H

#include <stddef.h>
#include <stdint.h>

/* One block of key stream: 64 bytes from a key, a counter and a nonce (section 2.3). */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);

#endif

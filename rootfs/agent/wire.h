/* Numbers and texts of a frame, read with every length checked. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `bad` once anything reached past the end; what is read then is zero, or an empty text. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
/* Ends with a zero byte, and stays where it is: in the frame. */
const char *read_text(struct reader *reader);
const uint8_t *read_bytes(struct reader *reader, size_t count);
/* The next `count` bytes as a reader of their own. */
struct reader read_part(struct reader *reader, size_t count);
static inline size_t left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}
/* Whether all of it was there, and nothing else. */
static inline bool read_whole(const struct reader *reader)
{
	return !reader->bad && reader->at == reader->end;
}

void store_u16(uint8_t *at, uint16_t value);
void store_u32(uint8_t *at, uint32_t value);
uint16_t load_u16(const uint8_t *at);
uint32_t load_u32(const uint8_t *at);

#endif

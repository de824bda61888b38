#include "wire.h"

#include <string.h>

uint16_t load_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t load_u32(const uint8_t *at)
{
	return load_u16(at) | (uint32_t)load_u16(at + 2) << 16;
}

void store_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

void store_u32(uint8_t *at, uint32_t value)
{
	store_u16(at, (uint16_t)value);
	store_u16(at + 2, (uint16_t)(value >> 16));
}

const uint8_t *read_bytes(struct reader *reader, size_t count)
{
	static const uint8_t zeroes[8];
	const uint8_t *at = reader->at;

	if (reader->bad || left(reader) < count) {
		reader->bad = true;
		return zeroes;
	}
	reader->at += count;
	return at;
}

struct reader read_part(struct reader *reader, size_t count)
{
	const uint8_t *at = read_bytes(reader, count);

	return (struct reader){ .at = at, .end = reader->bad ? at : at + count, .bad = reader->bad };
}

uint16_t read_u16(struct reader *reader)
{
	return load_u16(read_bytes(reader, 2));
}

uint32_t read_u32(struct reader *reader)
{
	return load_u32(read_bytes(reader, 4));
}

uint64_t read_u64(struct reader *reader)
{
	const uint8_t *at = read_bytes(reader, 8);

	return load_u32(at) | (uint64_t)load_u32(at + 4) << 32;
}

const char *read_text(struct reader *reader)
{
	const uint8_t *zero = reader->bad ? NULL : memchr(reader->at, 0, left(reader));

	if (zero == NULL) {
		reader->bad = true;
		return "";
	}
	return (const char *)read_bytes(reader, (size_t)(zero - reader->at) + 1);
}

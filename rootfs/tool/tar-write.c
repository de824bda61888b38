#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tar.h"
#include "tar-header.h"

#define OUT_SIZE (64 * 1024)
/* The most that eleven and seven octal digits hold. */
#define SIZE_MAX_OCTAL 077777777777ULL
#define ID_MAX_OCTAL 07777777U

const char *tar_error;

static char out[OUT_SIZE];
static size_t out_used;

int tar_flush(void)
{
	size_t done = 0;

	while (done < out_used) {
		ssize_t count = write(STDOUT_FILENO, out + done, out_used - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0) {
			tar_error = strerror(errno);
			return -1;
		}
		done += (size_t)count;
	}
	out_used = 0;
	return 0;
}

int tar_write(const void *bytes, uint64_t count)
{
	const char *from = bytes;

	while (count > 0) {
		size_t part = OUT_SIZE - out_used < count ? OUT_SIZE - out_used : (size_t)count;

		memcpy(out + out_used, from, part);
		out_used += part;
		from += part;
		count -= part;
		if (out_used == OUT_SIZE && tar_flush() != 0)
			return -1;
	}
	return 0;
}

static const char zeros[TAR_BLOCK];

int tar_write_padding(uint64_t size)
{
	return tar_write(zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

int tar_write_end(void)
{
	return tar_write(zeros, TAR_BLOCK) != 0 || tar_write(zeros, TAR_BLOCK) != 0 ? -1 : tar_flush();
}

static void octal(char *field, size_t size, uint64_t value)
{
	for (size_t at = size - 1; at-- > 0; value >>= 3)
		field[at] = (char)('0' + (value & 7));
	field[size - 1] = '\0';
}

static int write_header(const struct tar_entry *entry, const char *name, char type, uint64_t size)
{
	struct tar_header header = { 0 };
	unsigned sum = 0;

	/* Cut short where it is too long: the pax record before it has all of it. */
	memcpy(header.name, name, strnlen(name, sizeof header.name));
	memcpy(header.link, entry->link, type == TAR_LINK || type == TAR_SYMLINK ? strnlen(entry->link, sizeof header.link) : 0);
	octal(header.mode, sizeof header.mode, entry->mode & 07777);
	octal(header.uid, sizeof header.uid, entry->uid <= ID_MAX_OCTAL ? entry->uid : 0);
	octal(header.gid, sizeof header.gid, entry->gid <= ID_MAX_OCTAL ? entry->gid : 0);
	octal(header.size, sizeof header.size, size <= SIZE_MAX_OCTAL ? size : 0);
	octal(header.mtime, sizeof header.mtime, entry->mtime > 0 && (uint64_t)entry->mtime <= SIZE_MAX_OCTAL ? (uint64_t)entry->mtime : 0);
	header.type = type;
	memcpy(header.magic, "ustar", sizeof header.magic);
	memcpy(header.version, "00", sizeof header.version);
	memset(header.checksum, ' ', sizeof header.checksum);
	for (size_t at = 0; at < sizeof header; at++)
		sum += ((const unsigned char *)&header)[at];
	octal(header.checksum, sizeof header.checksum - 1, sum);
	return tar_write(&header, sizeof header);
}

static char records[2 * TAR_PATH_MAX + 512];
static size_t records_used;

/* "LENGTH KEY=VALUE\n", where LENGTH counts its own digits too. */
static void add_record(const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, length = rest;
	char digits[24];

	for (;;) {
		size_t with = rest + (size_t)snprintf(digits, sizeof digits, "%zu", length);

		if (with == length)
			break;
		length = with;
	}
	records_used += (size_t)snprintf(records + records_used, sizeof records - records_used, "%zu %s=%s\n", length, key, value);
}

static void add_number(const char *key, int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRId64, value);
	add_record(key, digits);
}

int tar_write_entry(const struct tar_entry *entry)
{
	struct tar_header *fields;

	records_used = 0;
	if (strlen(entry->name) > sizeof fields->name)
		add_record("path", entry->name);
	if (strlen(entry->link) > sizeof fields->link)
		add_record("linkpath", entry->link);
	if (entry->size > SIZE_MAX_OCTAL)
		add_number("size", (int64_t)entry->size);
	if (entry->uid > ID_MAX_OCTAL)
		add_number("uid", entry->uid);
	if (entry->gid > ID_MAX_OCTAL)
		add_number("gid", entry->gid);
	if (entry->mtime < 0 || (uint64_t)entry->mtime > SIZE_MAX_OCTAL)
		add_number("mtime", entry->mtime);
	if (records_used > 0 && (write_header(entry, "pax", 'x', records_used) != 0 || tar_write(records, records_used) != 0 ||
				 tar_write_padding(records_used) != 0))
		return -1;
	return write_header(entry, entry->name, entry->type, entry->size);
}

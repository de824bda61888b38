#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tar.h"
#include "tar-header.h"

/* Of one extended header. Some hold large attributes; who sends more than this means harm. */
#define RECORDS_MAX (1 << 20)

static char in[64 * 1024];
static size_t in_start, in_end;
/* Of the current entry, unread; its padding comes after. */
static uint64_t left, padding;

static int refuse(const char *why)
{
	tar_error = why;
	return -1;
}

/* Some bytes of standard input: their number, 0 at its end. */
static long take(void *into, uint64_t count)
{
	size_t part;

	if (in_start == in_end) {
		ssize_t got;

		do
			got = read(STDIN_FILENO, in, sizeof in);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			return refuse(strerror(errno));
		in_start = 0;
		in_end = (size_t)got;
	}
	part = in_end - in_start < count ? in_end - in_start : (size_t)count;
	if (into != NULL)
		memcpy(into, in + in_start, part);
	in_start += part;
	return (long)part;
}

/* All of them, or -1. */
static int take_all(char *into, uint64_t count)
{
	while (count > 0) {
		long part = take(into, count);

		if (part < 0)
			return -1;
		if (part == 0)
			return refuse("the archive is cut short");
		if (into != NULL)
			into += part;
		count -= (uint64_t)part;
	}
	return 0;
}

void tar_read_rest(void)
{
	while (take(NULL, sizeof in) > 0)
		continue;
}

long tar_read(void *into, uint64_t count)
{
	long part = left == 0 ? 0 : take(into, count < left ? count : left);

	if (part == 0 && left > 0)
		return refuse("the archive is cut short");
	if (part > 0)
		left -= (uint64_t)part;
	return part;
}

/* Octal digits, or GNU's binary form with the highest bit set. Answers -1 for what does not fit into 63 bits. */
static int64_t number(const char *field, size_t size)
{
	uint64_t value = 0;

	if ((unsigned char)field[0] == 0x80) {
		for (size_t at = 1; at < size; at++) {
			if (value >> 55 != 0)
				return -1;
			value = value << 8 | (unsigned char)field[at];
		}
		return (int64_t)value;
	}
	/* 0xff begins a negative one: no size, and of a time we need not know it. */
	if ((unsigned char)field[0] & 0x80)
		return -1;
	for (size_t at = 0; at < size && field[at] != '\0'; at++) {
		if (field[at] == ' ')
			continue;
		if (field[at] < '0' || field[at] > '7')
			return -1;
		value = value << 3 | (uint64_t)(field[at] - '0');
	}
	return (int64_t)value;
}

static int checksum_holds(const struct tar_header *header)
{
	unsigned sum = 0;

	for (size_t at = 0; at < sizeof *header; at++)
		sum += ((const unsigned char *)header)[at];
	for (size_t at = 0; at < sizeof header->checksum; at++)
		sum += ' ' - (unsigned char)header->checksum[at];
	return number(header->checksum, sizeof header->checksum) == (int64_t)sum;
}

/* What extended headers said about the next entry. */
static struct {
	int name, link, size, uid, gid, mtime;
} given;

static int set_text(char *into, const char *value, size_t length)
{
	if (length >= TAR_PATH_MAX)
		return refuse("a name is too long");
	if (memchr(value, '\0', length) != NULL)
		return refuse("a name has a zero byte");
	memcpy(into, value, length);
	into[length] = '\0';
	return 0;
}

/* Decimal digits, perhaps with a fraction, which is dropped. */
static int set_number(int64_t *into, const char *value, size_t length)
{
	char digits[32], *end;

	if (length == 0 || length >= sizeof digits)
		return refuse("a number in an extended header is too long");
	memcpy(digits, value, length);
	digits[length] = '\0';
	errno = 0;
	*into = strtoll(digits, &end, 10);
	if (errno != 0 || end == digits || (*end != '\0' && *end != '.'))
		return refuse("a number in an extended header is none");
	return 0;
}

static int apply_record(struct tar_entry *entry, const char *key, size_t key_length, const char *value, size_t length)
{
	int64_t figure = 0;
#define IS(word) (key_length == sizeof word - 1 && memcmp(key, word, sizeof word - 1) == 0)
	if (IS("path"))
		return given.name = 1, set_text(entry->name, value, length);
	if (IS("linkpath"))
		return given.link = 1, set_text(entry->link, value, length);
	if (!IS("size") && !IS("uid") && !IS("gid") && !IS("mtime"))
		return 0;
	if (set_number(&figure, value, length) != 0)
		return -1;
	if (IS("mtime")) {
		given.mtime = 1;
		entry->mtime = figure;
		return 0;
	}
	if (figure < 0)
		return refuse("a number in an extended header is negative");
	if (IS("size")) {
		given.size = 1;
		entry->size = (uint64_t)figure;
		return 0;
	}
	if (figure > UINT32_MAX)
		return refuse("a user or group in an extended header is too large");
	if (IS("uid"))
		return given.uid = 1, entry->uid = (uint32_t)figure, 0;
	return given.gid = 1, entry->gid = (uint32_t)figure, 0;
#undef IS
}

static int apply_records(struct tar_entry *entry, const char *at, uint64_t size)
{
	while (size > 0) {
		uint64_t length = 0, digits = 0;
		const char *equals;

		while (digits < size && digits < 8 && at[digits] >= '0' && at[digits] <= '9')
			length = length * 10 + (uint64_t)(at[digits++] - '0');
		if (digits == 0 || digits >= size || at[digits] != ' ' || length > size || length < digits + 4 || at[length - 1] != '\n')
			return refuse("an extended header is malformed");
		equals = memchr(at + digits + 1, '=', length - digits - 2);
		if (equals == NULL)
			return refuse("an extended header is malformed");
		if (apply_record(entry, at + digits + 1, (size_t)(equals - at) - digits - 1, equals + 1, (size_t)(at + length - 2 - equals)) != 0)
			return -1;
		at += length;
		size -= length;
	}
	return 0;
}

static int read_extension(struct tar_entry *entry, char type, uint64_t size)
{
	char *bytes;
	int result = 0;

	if (size > RECORDS_MAX)
		return refuse("an extended header is too long");
	bytes = malloc(size + 1);
	if (bytes == NULL)
		return refuse("there is no memory for an extended header");
	if (take_all(bytes, size) != 0 || take_all(NULL, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK) != 0) {
		free(bytes);
		return -1;
	}
	if (type == 'x')
		result = apply_records(entry, bytes, size);
	else if (type == 'L')
		result = (given.name = 1, set_text(entry->name, bytes, strnlen(bytes, size)));
	else if (type == 'K')
		result = (given.link = 1, set_text(entry->link, bytes, strnlen(bytes, size)));
	free(bytes);
	return result;
}

static void join_name(struct tar_entry *entry, const struct tar_header *header)
{
	size_t length = 0;

	/* GNU's older format has other things there. */
	if (memcmp(header->magic, "ustar", 6) == 0 && header->prefix[0] != '\0') {
		length = strnlen(header->prefix, sizeof header->prefix);
		memcpy(entry->name, header->prefix, length);
		entry->name[length++] = '/';
	}
	memcpy(entry->name + length, header->name, strnlen(header->name, sizeof header->name));
	entry->name[length + strnlen(header->name, sizeof header->name)] = '\0';
}

static int fill(struct tar_entry *entry, const struct tar_header *header)
{
	int64_t size = number(header->size, sizeof header->size), uid = number(header->uid, sizeof header->uid);
	int64_t gid = number(header->gid, sizeof header->gid), mtime = number(header->mtime, sizeof header->mtime);
	int64_t mode = number(header->mode, sizeof header->mode);

	if (!given.size && size < 0)
		return refuse("a size in it is none");
	if (!given.size)
		entry->size = (uint64_t)size;
	if (!given.name)
		join_name(entry, header);
	if (!given.link) {
		memcpy(entry->link, header->link, sizeof header->link);
		entry->link[strnlen(header->link, sizeof header->link)] = '\0';
	}
	if (!given.uid)
		entry->uid = uid < 0 || uid > UINT32_MAX ? 0 : (uint32_t)uid;
	if (!given.gid)
		entry->gid = gid < 0 || gid > UINT32_MAX ? 0 : (uint32_t)gid;
	if (!given.mtime)
		entry->mtime = mtime < 0 ? 0 : mtime;
	entry->mode = mode < 0 ? 0644 : (uint32_t)(mode & 07777);
	/* Before POSIX a directory was a file whose name ended so; contiguous files are files. */
	entry->type = header->type == '\0' || header->type == '7' ? TAR_FILE : header->type;
	if (entry->type == TAR_FILE && entry->name[0] != '\0' && entry->name[strlen(entry->name) - 1] == '/')
		entry->type = TAR_DIRECTORY;
	/* These have no bytes, whatever their size says: of a hard link it is that of its file. */
	if (entry->type == TAR_LINK || entry->type == TAR_SYMLINK || entry->type == TAR_DIRECTORY)
		entry->size = 0;
	left = entry->size;
	padding = (TAR_BLOCK - entry->size % TAR_BLOCK) % TAR_BLOCK;
	return 1;
}

int tar_read_entry(struct tar_entry *entry)
{
	struct tar_header header;
	int ends = 0;

	if (take_all(NULL, left) != 0 || take_all(NULL, padding) != 0)
		return -1;
	left = padding = 0;
	memset(&given, 0, sizeof given);
	for (;;) {
		static const struct tar_header nothing;
		long first = take(&header, sizeof header);

		if (first < 0)
			return -1;
		/* Some writers leave out the two empty blocks. */
		if (first == 0)
			return 0;
		if (take_all((char *)&header + first, sizeof header - (size_t)first) != 0)
			return -1;
		if (memcmp(&header, &nothing, sizeof header) == 0) {
			if (++ends == 2)
				return 0;
			continue;
		}
		if (!checksum_holds(&header))
			return refuse("it is no tar archive, or a damaged one");
		ends = 0;
		if (strchr("xgLK", header.type) == NULL || header.type == '\0')
			return fill(entry, &header);
		int64_t size = number(header.size, sizeof header.size);

		if (size < 0)
			return refuse("a size in it is none");
		if (read_extension(entry, header.type, (uint64_t)size) != 0)
			return -1;
	}
}

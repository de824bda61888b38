/*
 * The archive format: ustar, with pax records for what does not fit. POSIX.1-2008, pax, "ustar Interchange Format" and
 * "pax Extended Header". GNU's long names are read too, since that is what `tar c` of most hosts writes.
 */
#ifndef TAR_H
#define TAR_H

#include <stdint.h>

#define TAR_BLOCK 512
/* A path that no kernel takes is refused when it is used, not here. */
#define TAR_PATH_MAX 65536

enum tar_type { TAR_FILE = '0', TAR_LINK = '1', TAR_SYMLINK = '2', TAR_DIRECTORY = '5' };

struct tar_entry {
	char type; /* enum tar_type, or some other letter */
	char name[TAR_PATH_MAX];
	char link[TAR_PATH_MAX];
	uint64_t size;
	uint32_t mode, uid, gid;
	int64_t mtime;
};

/* All of these answer 0, or -1 with tar_error set. */
extern const char *tar_error;

/* Writes a header, and the pax records before it that it needs. */
int tar_write_entry(const struct tar_entry *entry);
/* Bytes of the entry; tar_write_padding after the last of them. */
int tar_write(const void *bytes, uint64_t count);
int tar_write_padding(uint64_t size);
/* The end of the archive, and all of it handed over. */
int tar_write_end(void);
int tar_flush(void);

/* The next header: 1, or 0 at the end of the archive. What was left of the entry before is passed over. */
int tar_read_entry(struct tar_entry *entry);
/* Up to `count` bytes of the current entry; 0 at its end. */
long tar_read(void *into, uint64_t count);
/* Reads standard input to its end, so that whoever writes it is not cut short. */
void tar_read_rest(void);

#endif

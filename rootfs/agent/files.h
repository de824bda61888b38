/* Files and directories of the host in the root: shared directories, and small texts such as /etc/hosts. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct share {
	const char *tag, *target, *options;
	/* The only entry of the share, which belongs at the target itself; empty for a directory. */
	const char *file;
	bool read_only;
};

/* By 9P over virtio; the target is made when it is missing. @returns an errno, or 0 */
int files_mount_share(const struct share *share);
/*
 * In place of what is there. A link is replaced, not followed.
 * @param if_absent leaves what the image or a program put there; what we wrote ourselves is replaced
 */
int files_write(const char *path, mode_t mode, bool if_absent, const uint8_t *bytes, size_t count);
/* Reads it into the page cache, as much of it as is worth it. */
void files_prefetch(const char *path);

#endif

/* Virtio disks, by the serial number that the host gave them. virtio 1.2 §5.2.6.1 */
#ifndef DISK_H
#define DISK_H

#include <stdint.h>

enum { DISK_PATH_MAX = 300 };

/* While nobody waits: where it is now, it stays. */
void disk_find_early(const char *serial);
/* Its path in /dev. Waits for a driver that is still at it. @returns an errno, or 0 */
int disk_find(const char *serial, char path[DISK_PATH_MAX]);
/* Waits until it has this size: its driver hears of a change by an interrupt. Forgets what was read before. */
int disk_await_size(const char *path, uint64_t bytes);
/* The same for one in /dev, and its partitions, if it has any. */
int disk_look_anew(const char *name, uint64_t bytes);

#endif

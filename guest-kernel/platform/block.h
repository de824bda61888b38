/*
 * virtio-blk, virtio 1.2 section 5.2. Two layers: requests, of which a disk has many under way at once (block.c), and
 * above them bytes at any position, as the personality wants them (disk.c, platform.h).
 */
#ifndef CLOISTER_BLOCK_H
#define CLOISTER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "platform.h"

#define SECTOR_SIZE 512 /* what the device counts in, whatever its blocks are (section 5.2.4) */

extern volatile uint8_t *disk_registers[DISKS_MAX]; /* for interrupt.S */

/* Starts every disk there is. */
void block_init(void);

enum block_type { BLOCK_READ = 0, BLOCK_WRITE = 1, BLOCK_FLUSH = 4 }; /* VIRTIO_BLK_T_ (section 5.2.6) */

/*
 * One transfer: consecutive sectors of a disk, and memory that lies in one piece for the device. When it is done,
 * `failed` says how. It belongs to the caller, who must not let go of it before.
 */
struct block_request {
  enum block_type type;
  uint64_t sector;
  uint64_t pa; /* physical address of the bytes */
  uint32_t length;
  bool done, failed;
};

/* Queues a request; false: as many as fit are under way, wait first. */
bool block_submit(unsigned disk, struct block_request *request);
/* Tells the device of what was queued. */
void block_kick(unsigned disk);
/* The same, and halts until all of it is done. */
void block_wait(unsigned disk);
/* Until one of it is. */
void block_wait_any(unsigned disk);

/* disk.c: gives the device the piece of a block that was kept back for more. And halts until all writes are done. */
void disk_post(void);
void disk_settle(void);

#endif

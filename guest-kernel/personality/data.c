/*
 * A file's bytes are one contiguous buffer, so that reading, mapping and sending are single copies. Invariant: bytes
 * of the buffer past the file's size are zero, so growing needs no clearing. Buffers grow where they are when the
 * pages behind are free, else by half into a new place.
 */
#include "data.h"
#include "heap.h"
#include "window.h"

#define HEAP_LIMIT 2048u /* up to here a block of the heap, above it pages */

static size_t rounded(size_t size) {
  if (size > HEAP_LIMIT) return PAGES_OF(size) * PAGE_BYTES;
  size_t capacity = 64;
  while (capacity < size) capacity *= 2;
  return capacity;
}

/* Gives the file a buffer of its own with at least `wanted` bytes. */
static int own(struct inode *inode, uint64_t wanted) {
  size_t capacity = inode->data.capacity;
  if (capacity && wanted <= capacity) return 0;
  if (wanted > window_pages * PAGE_BYTES) return -ENOSPC;

  size_t exact = rounded(wanted);
  if (capacity > HEAP_LIMIT) {
    size_t missing = (exact - capacity) / PAGE_BYTES;
    size_t generous = missing + min_size(capacity / PAGE_BYTES / 4, pages_free_count() / 8);
    size_t behind = capacity / PAGE_BYTES;
    size_t got = pages_extend(inode->data.bytes, behind, generous)  ? generous
                 : pages_extend(inode->data.bytes, behind, missing) ? missing
                                                                    : 0;
    inode->data.capacity += got * PAGE_BYTES;
    if (got) return 0;
  }
  size_t generous = capacity ? rounded(wanted + wanted / 2) : exact;
  uint8_t *bytes = heap_alloc(generous);
  if (!bytes) bytes = heap_alloc(generous = exact);
  if (!bytes) return -ENOSPC;
  if (inode->data.size) memcpy(bytes, inode->data.bytes, min_size(inode->data.size, generous));
  if (capacity) heap_free(inode->data.bytes, capacity);
  inode->data.bytes = bytes;
  inode->data.capacity = generous;
  return 0;
}

ssize_t data_write(struct inode *inode, const void *bytes, size_t count, uint64_t offset) {
  if (count == 0) return 0;
  uint64_t end;
  if (__builtin_add_overflow(offset, count, &end) || end > INT64_MAX) return -EFBIG;
  int error = own(inode, end > inode->data.size ? end : inode->data.size);
  if (error) return error;
  memcpy(inode->data.bytes + offset, bytes, count);
  if (end > inode->data.size) inode->data.size = end;
  inode->mtime = inode->ctime = tree_now();
  return (ssize_t)count;
}

ssize_t data_read(const struct inode *inode, void *bytes, size_t count, uint64_t offset) {
  if (offset >= inode->data.size) return 0;
  count = min_size(count, inode->data.size - offset);
  memcpy(bytes, inode->data.bytes + offset, count);
  return (ssize_t)count;
}

int data_resize(struct inode *inode, uint64_t size) {
  if (size == 0) {
    data_free(inode);
  } else if (size > inode->data.size || inode->data.capacity) {
    int error = own(inode, size);
    if (error) return error;
    if (size < inode->data.size) memset(inode->data.bytes + size, 0, inode->data.size - size);
  }
  inode->data.size = size; /* bytes in the cpio can be cut without a copy */
  inode->mtime = inode->ctime = tree_now();
  return 0;
}

int data_reserve(struct inode *inode, uint64_t size) { return size > inode->data.size ? own(inode, size) : 0; }

int data_set(struct inode *inode, const void *bytes, size_t count) {
  ssize_t written = data_write(inode, bytes, count, 0);
  return written < 0 ? -ENOMEM : 0;
}

void data_free(struct inode *inode) {
  if (inode->data.capacity) heap_free(inode->data.bytes, inode->data.capacity);
  inode->data.bytes = NULL;
  inode->data.size = inode->data.capacity = 0;
}

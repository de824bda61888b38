/*
 * A file's bytes. Up to 256 KiB they are one block that doubles; beyond, an array of such blocks ("chunks"), so that
 * a growing file is never moved and a chunk nobody wrote to costs nothing. Invariant: bytes of the memory past the
 * file's size are zero, so growing needs no clearing.
 */
#include "data.h"
#include "heap.h"
#include "window.h"

#define CHUNK_BYTES (256ul << 10)
#define SMALLEST 64u

static size_t block_size(size_t size) {
  size_t capacity = SMALLEST;
  while (capacity < size) capacity *= 2;
  return capacity;
}

/* The array of `count` chunk pointers has room for a power of two of them. */
static size_t array_bytes(size_t count) { return block_size(count * sizeof(uint8_t *)); }

static size_t chunk_count(const struct inode *inode) { return inode->data.capacity / CHUNK_BYTES; }

/* Makes room for pointers up to `end`; what the file had as one block of full size becomes its first chunk. */
static int grow_array(struct inode *inode, uint64_t end) {
  size_t had = chunk_count(inode), wants = (end + CHUNK_BYTES - 1) / CHUNK_BYTES;
  if (inode->data.chunks && wants <= had) return 0;
  if (!inode->data.chunks || array_bytes(wants) > array_bytes(had)) {
    uint8_t **chunks = heap_alloc(array_bytes(wants));
    if (!chunks) return -ENOSPC;
    if (inode->data.chunks) {
      memcpy(chunks, inode->data.chunks, had * sizeof *chunks);
      heap_free(inode->data.chunks, array_bytes(had));
    } else {
      chunks[0] = inode->data.bytes;
      inode->data.bytes = NULL;
    }
    inode->data.chunks = chunks;
  }
  inode->data.capacity = wants * CHUNK_BYTES;
  return 0;
}

/* One block of the file's own, of at least this size, at most a chunk. */
static int own_block(struct inode *inode, size_t wanted) {
  if (inode->data.capacity && wanted <= inode->data.capacity) return 0;
  size_t capacity = block_size(wanted), keep = min_size(inode->data.size, capacity);
  uint8_t *bytes = heap_alloc(capacity);
  if (!bytes) return -ENOSPC;
  if (keep) memcpy(bytes, inode->data.bytes, keep);
  if (inode->data.capacity) heap_free(inode->data.bytes, inode->data.capacity);
  inode->data.bytes = bytes;
  inode->data.capacity = capacity;
  return 0;
}

static int own_chunk(struct inode *inode, size_t index) {
  if (!inode->data.chunks[index]) inode->data.chunks[index] = heap_alloc(CHUNK_BYTES);
  return inode->data.chunks[index] ? 0 : -ENOSPC;
}

/* Copies a large file out of the cpio, before its first change. */
static int leave_cpio(struct inode *inode) {
  struct inode copy = {.data = {0}};
  const uint8_t *bytes = inode->data.bytes;
  size_t size = inode->data.size;
  int error = own_block(&copy, CHUNK_BYTES);
  if (!error) error = grow_array(&copy, size);
  for (size_t at = 0; at < size && !error; at += CHUNK_BYTES) {
    error = own_chunk(&copy, at / CHUNK_BYTES);
    if (!error) memcpy(copy.data.chunks[at / CHUNK_BYTES], bytes + at, min_size(CHUNK_BYTES, size - at));
  }
  if (error) {
    data_free(&copy);
    return error;
  }
  inode->data = copy.data;
  inode->data.size = size;
  return 0;
}

/* Makes the file ready for bytes up to `end`: the block, or the array of chunks, but not the chunks themselves. */
static int prepare(struct inode *inode, uint64_t end) {
  if (end > FILE_SIZE_MAX) return -EFBIG;
  bool in_cpio = !inode->data.capacity && inode->data.size;
  if (in_cpio && inode->data.size > CHUNK_BYTES) {
    int error = leave_cpio(inode);
    if (error) return error;
  }
  if (inode->data.chunks) return grow_array(inode, end);
  size_t wanted = end > inode->data.size ? end : inode->data.size;
  int error = own_block(inode, min_size(wanted, CHUNK_BYTES));
  return error || end <= CHUNK_BYTES ? error : grow_array(inode, end);
}

ssize_t data_write(struct inode *inode, const void *bytes, size_t count, uint64_t offset) {
  uint64_t end;
  if (count == 0) return 0;
  if (__builtin_add_overflow(offset, count, &end)) return -EFBIG;
  int error = prepare(inode, end);
  size_t done = 0;
  while (done < count && !error) {
    uint64_t at = offset + done;
    size_t index = at / CHUNK_BYTES, inside = at % CHUNK_BYTES;
    size_t part = min_size(count - done, CHUNK_BYTES - inside);
    if (inode->data.chunks) error = own_chunk(inode, index);
    if (error) break;
    uint8_t *to = inode->data.chunks ? inode->data.chunks[index] + inside : inode->data.bytes + at;
    memcpy(to, (const uint8_t *)bytes + done, part);
    done += part;
  }
  if (!done) return error;
  if (offset + done > inode->data.size) inode->data.size = offset + done;
  inode->mtime = inode->ctime = tree_now();
  return (ssize_t)done;
}

const uint8_t *data_at(const struct inode *inode, uint64_t offset, size_t *contiguous) {
  *contiguous = inode->data.size - offset;
  if (!inode->data.chunks) return inode->data.bytes + offset;
  size_t inside = offset % CHUNK_BYTES;
  *contiguous = min_size(*contiguous, CHUNK_BYTES - inside);
  const uint8_t *chunk = inode->data.chunks[offset / CHUNK_BYTES];
  return chunk ? chunk + inside : NULL;
}

ssize_t data_read(const struct inode *inode, void *bytes, size_t count, uint64_t offset) {
  if (offset >= inode->data.size) return 0;
  count = min_size(count, inode->data.size - offset);
  for (size_t done = 0, part; done < count; done += part) {
    const uint8_t *from = data_at(inode, offset + done, &part);
    part = min_size(part, count - done);
    if (from) memcpy((uint8_t *)bytes + done, from, part);
    else memset((uint8_t *)bytes + done, 0, part);
  }
  return (ssize_t)count;
}

/* Zeroes what lies behind a new, smaller size, and frees chunks that are wholly behind it. */
static void cut(struct inode *inode, uint64_t size) {
  if (!inode->data.chunks) {
    memset(inode->data.bytes + size, 0, inode->data.size - size);
    return;
  }
  for (size_t index = size / CHUNK_BYTES; index < chunk_count(inode); index++) {
    size_t keep = size > index * CHUNK_BYTES ? size - index * CHUNK_BYTES : 0;
    if (!inode->data.chunks[index]) continue;
    if (keep) {
      memset(inode->data.chunks[index] + keep, 0, CHUNK_BYTES - keep);
    } else {
      heap_free(inode->data.chunks[index], CHUNK_BYTES);
      inode->data.chunks[index] = NULL;
    }
  }
}

int data_resize(struct inode *inode, uint64_t size) {
  if (size == 0) {
    data_free(inode);
  } else if (size > inode->data.size) {
    int error = prepare(inode, size);
    if (error) return error;
  } else if (inode->data.capacity) { /* bytes in the cpio are cut without a copy */
    cut(inode, size);
  }
  inode->data.size = size;
  inode->mtime = inode->ctime = tree_now();
  return 0;
}

int data_reserve(struct inode *inode, uint64_t end) {
  int error = prepare(inode, end);
  for (size_t index = 0; inode->data.chunks && index * CHUNK_BYTES < end && !error; index++) error = own_chunk(inode, index);
  return error;
}

int data_set(struct inode *inode, const void *bytes, size_t count) {
  return data_write(inode, bytes, count, 0) == (ssize_t)count ? 0 : -ENOMEM;
}

uint64_t data_resident(const struct inode *inode) {
  if (!inode->data.chunks) return inode->data.size;
  uint64_t resident = 0;
  for (size_t index = 0; index < chunk_count(inode); index++) resident += inode->data.chunks[index] ? CHUNK_BYTES : 0;
  return resident < inode->data.size ? resident : inode->data.size;
}

void data_free(struct inode *inode) {
  if (inode->data.chunks) {
    for (size_t index = 0; index < chunk_count(inode); index++)
      if (inode->data.chunks[index]) heap_free(inode->data.chunks[index], CHUNK_BYTES);
    heap_free(inode->data.chunks, array_bytes(chunk_count(inode)));
  } else if (inode->data.capacity) {
    heap_free(inode->data.bytes, inode->data.capacity);
  }
  inode->data.bytes = NULL;
  inode->data.chunks = NULL;
  inode->data.size = inode->data.capacity = 0;
}

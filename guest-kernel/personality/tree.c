/* Inodes, entries, and the one hash table that finds an entry by its directory and name. */
#include "tree.h"
#include "data.h"
#include "file.h"
#include "heap.h"
#include "pipe.h"
#include "socket.h"

#define HASH_BUCKETS 4096u

struct inode *tree_root;
static struct entry *hash_table[HASH_BUCKETS];
static uint64_t next_number = 1;

int64_t tree_now(void) { return (int64_t)platform_realtime_ns(); }

void tree_init(void) {
  tree_root = inode_new(S_IFDIR | 0755);
  if (!tree_root) platform_panic("no memory for the file tree");
}

struct inode *inode_new(uint32_t mode) {
  struct inode *inode = heap_alloc(sizeof *inode);
  if (!inode) return NULL;
  inode->number = next_number++;
  inode->mode = mode;
  inode->atime = inode->mtime = inode->ctime = tree_now();
  inode->ops = file_ops_of(inode);
  if ((mode & S_IFMT) == S_IFDIR) {
    inode->links = 1; /* "." */
    inode->directory.next_cookie = 2; /* 0 and 1 are "." and ".." */
  }
  return inode;
}

void inode_release(struct inode *inode) {
  bool directory = inode_is(inode, S_IFDIR);
  if (inode->opens || inode->links > (directory ? 1u : 0u) || inode == tree_root) return;
  if (inode->ops == &pipe_ops && inode->pipe) pipe_free(inode->pipe);
  if (inode->ops == &socket_ops) socket_free(inode->socket);
  if ((inode_is(inode, S_IFREG) && inode->ops == &regular_ops) || inode_is(inode, S_IFLNK)) data_free(inode);
  heap_free(inode, sizeof *inode);
}

static struct entry **bucket_of(const struct inode *directory, const char *name, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u ^ directory->number;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u; /* FNV-1a */
  return &hash_table[(hash ^ hash >> 32) % HASH_BUCKETS];
}

struct entry *entry_find(struct inode *directory, const char *name, size_t length) {
  struct entry *entry = *bucket_of(directory, name, length);
  while (entry && (entry->directory != directory || entry->name_length != length || memcmp(entry->name, name, length)))
    entry = entry->hash_next;
  return entry;
}

int entry_add(struct inode *directory, const char *name, size_t length, struct inode *inode, bool copy_name) {
  struct entry *entry = heap_alloc(sizeof *entry);
  char *copy = copy_name ? heap_alloc(length + 1) : NULL;
  if (!entry || (copy_name && !copy)) {
    heap_free(entry, sizeof *entry);
    return -ENOMEM;
  }
  if (copy) memcpy(copy, name, length);
  entry->name = copy ? copy : name;
  entry->name_length = (uint16_t)length;
  entry->name_owned = copy_name;
  entry->directory = directory;
  entry->inode = inode;
  entry->cookie = directory->directory.next_cookie++;

  entry->previous = directory->directory.last;
  if (entry->previous) entry->previous->next = entry;
  else directory->directory.first = entry;
  directory->directory.last = entry;
  struct entry **bucket = bucket_of(directory, entry->name, length);
  entry->hash_next = *bucket;
  *bucket = entry;

  inode->links++;
  inode->entry = entry;
  if (inode_is(inode, S_IFDIR)) directory->links++; /* its ".." */
  directory->mtime = directory->ctime = inode->ctime = tree_now();
  return 0;
}

void entry_remove(struct entry *entry) {
  struct inode *directory = entry->directory, *inode = entry->inode;
  struct entry **link = bucket_of(directory, entry->name, entry->name_length);
  while (*link != entry) link = &(*link)->hash_next;
  *link = entry->hash_next;

  if (entry->previous) entry->previous->next = entry->next;
  else directory->directory.first = entry->next;
  if (entry->next) entry->next->previous = entry->previous;
  else directory->directory.last = entry->previous;

  inode->links--;
  if (inode->entry == entry) inode->entry = NULL;
  if (inode_is(inode, S_IFDIR)) directory->links--;
  directory->mtime = directory->ctime = inode->ctime = tree_now();
  if (entry->name_owned) heap_free((void *)(uintptr_t)entry->name, entry->name_length + 1u);
  heap_free(entry, sizeof *entry);
  inode_release(inode);
}

struct entry *entry_at(struct inode *directory, uint64_t cookie) {
  struct entry *entry = directory->directory.first;
  while (entry && entry->cookie < cookie) entry = entry->next;
  return entry;
}

struct inode *inode_parent(struct inode *directory) { return directory->entry ? directory->entry->directory : directory; }

bool inode_is_inside(const struct inode *inode, const struct inode *directory) {
  while (inode != directory) {
    if (!inode->entry) return false;
    inode = inode->entry->directory;
  }
  return true;
}

char *inode_path(const struct inode *inode, char *buffer, size_t size) {
  char *at = buffer + size - 1;
  *at = 0;
  if (inode == tree_root) *--at = '/';
  while (inode != tree_root) {
    const struct entry *entry = inode->entry;
    if (!entry || (size_t)(at - buffer) < entry->name_length + 1u) return NULL;
    at -= entry->name_length;
    memcpy(at, entry->name, entry->name_length);
    *--at = '/';
    inode = entry->directory;
  }
  return at;
}

struct inode *tree_make(struct inode *directory, const char *name, uint32_t mode) {
  struct entry *entry = entry_find(directory, name, strlen(name));
  if (entry) return entry->inode;
  struct inode *inode = inode_new(mode);
  if (!inode || entry_add(directory, name, strlen(name), inode, false)) platform_panic("no memory for /%s", name);
  return inode;
}

void tree_make_link(struct inode *directory, const char *name, const char *target) {
  struct inode *link = tree_make(directory, name, S_IFLNK | 0777);
  if (inode_is(link, S_IFLNK) && !link->data.size && data_set(link, target, strlen(target)))
    platform_panic("no memory for /%s", name);
}

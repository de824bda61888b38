/* The file tree in memory: inodes, and the entries of directories that name them. */
#ifndef PERSONALITY_TREE_H
#define PERSONALITY_TREE_H

#include <linux/limits.h>
#include <linux/stat.h>

#include "base.h"

struct file_ops;
struct pipe;
struct socket;
struct inode;
struct text;

struct entry {
  struct inode *directory, *inode;
  const char *name; /* ended by NUL when `name_owned` */
  uint16_t name_length;
  bool name_owned; /* on the heap, not in the cpio */
  uint64_t cookie; /* place in the listing; grows with every entry added to the directory */
  struct entry *next, *previous;
  struct entry *hash_next;
};

struct inode {
  uint64_t number;
  uint32_t mode, uid, gid;
  uint32_t links; /* entries that name it; a directory also counts itself and its subdirectories, as Linux does */
  uint32_t opens; /* open files, working directory */
  uint32_t device; /* of a device node, as stat shows it: device_number() */
  int64_t atime, mtime, ctime; /* nanoseconds since 1970 */
  struct entry *entry; /* one of its names, or NULL */
  const struct file_ops *ops;
  union {
    struct { /* a file's bytes, or a symlink's target */
      uint8_t *bytes;   /* one block; with capacity 0 it lies in the cpio and is copied before the first change */
      uint8_t **chunks; /* or many, see data.c */
      size_t size, capacity;
    } data;
    struct {
      struct entry *first, *last;
      uint64_t next_cookie;
      struct inode *(*lookup)(const char *name, size_t length); /* a directory made up on the spot, or NULL */
    } directory;
    struct pipe *pipe;
    struct socket *socket;
    int stream; /* a standard stream: 0, 1, 2 */
    void (*generate)(struct text *text); /* the content of a file of /proc */
  };
  struct inode *(*follow)(struct inode *self); /* a link of /proc that leads to an inode and not to a path */
};

extern struct inode *tree_root;

void tree_init(void);
/* A new inode without a name; a directory holds no entry yet. NULL when memory is out. */
struct inode *inode_new(uint32_t mode);
/* Frees it if nothing names it and nobody has it open. */
void inode_release(struct inode *inode);
int64_t tree_now(void);

struct entry *entry_find(struct inode *directory, const char *name, size_t length);
/* Names an inode. The name is copied unless it lasts for ever. 0 or -ENOMEM. */
int entry_add(struct inode *directory, const char *name, size_t length, struct inode *inode, bool copy_name);
/* Takes the name away, and releases the inode. */
void entry_remove(struct entry *entry);
/* The first entry at or behind a cookie. */
struct entry *entry_at(struct inode *directory, uint64_t cookie);

/* The directory a directory is in; the root's is itself, and so is a removed one's. */
struct inode *inode_parent(struct inode *directory);
bool inode_is_inside(const struct inode *inode, const struct inode *directory);
/* Absolute path of an inode, built backwards from the end of `buffer`; NULL when it does not fit or has no name. */
char *inode_path(const struct inode *inode, char *buffer, size_t size);

static inline bool inode_is(const struct inode *inode, uint32_t type) { return (inode->mode & S_IFMT) == type; }

/* Device numbers as Linux passes them: 12 bits of major between the low 8 and the high 12 bits of the minor. */
static inline uint32_t device_number(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}
static inline uint32_t device_major(uint32_t device) { return device >> 8 & 0xfff; }
static inline uint32_t device_minor(uint32_t device) { return (device & 0xff) | (device >> 12 & 0xfff00); }

/* For the kernel's own nodes at boot: a child of this mode, made unless one is there; panics when memory is out. */
struct inode *tree_make(struct inode *directory, const char *name, uint32_t mode);
void tree_make_link(struct inode *directory, const char *name, const char *target);

#endif

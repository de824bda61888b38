/*
 * The root file tree from a cpio archive in "newc" format (Linux, Documentation/driver-api/early-userspace/
 * buffer-format.rst). File contents, symlink targets and names are used where they lie.
 */
#include "cpio.h"
#include "heap.h"
#include "tree.h"

#define HEADER_BYTES 110u
#define FIELD_BYTES 8u
#define LINK_BUCKETS 256u

/* The 13 numbers behind the magic, eight hexadecimal digits each. */
enum field { INO, MODE, UID, GID, NLINK, MTIME, FILESIZE, DEVMAJOR, DEVMINOR, RDEVMAJOR, RDEVMINOR, NAMESIZE, CHECK, FIELDS };

/* A file met before that has further names. Counts as an open file: all its names so far may be taken over by others. */
struct link {
  uint32_t ino, major, minor;
  struct inode *inode;
  struct link *next;
};
static struct link *links[LINK_BUCKETS];

static void damaged(size_t offset, const char *reason) __attribute__((noreturn));
static void damaged(size_t offset, const char *reason) {
  platform_panic("root file tree: damaged cpio archive at byte %lu: %s", (unsigned long)offset, reason);
}

static void out_of_memory(void) __attribute__((noreturn));
static void out_of_memory(void) {
  platform_log("the root file tree does not fit into memory");
  platform_exit(137, 0, CLOISTER_EXIT_OUT_OF_MEMORY);
}

static void *must(void *block) {
  if (!block) out_of_memory();
  return block;
}

static bool parse_fields(const uint8_t *header, uint32_t fields[FIELDS]) {
  for (int field = 0; field < FIELDS; field++) {
    uint32_t value = 0;
    for (unsigned i = 0; i < FIELD_BYTES; i++) {
      uint8_t digit = header[6 + (unsigned)field * FIELD_BYTES + i], lower = digit | 0x20;
      if (digit >= '0' && digit <= '9') value = value << 4 | (digit - '0');
      else if (lower >= 'a' && lower <= 'f') value = value << 4 | (lower - 'a' + 10u);
      else return false;
    }
    fields[field] = value;
  }
  return true;
}

/* The directory a name goes into, made on the way where the archive left it out; `name` moves to the last component. */
static struct inode *parent_of(const char **name, size_t *length) {
  struct inode *directory = tree_root;
  for (;;) {
    while (*length && **name == '/') (*name)++, (*length)--;
    size_t component = 0;
    while (component < *length && (*name)[component] != '/') component++;
    size_t behind = component;
    while (behind < *length && (*name)[behind] == '/') behind++;
    bool dot = component == 1 && (*name)[0] == '.', dots = component == 2 && (*name)[0] == '.' && (*name)[1] == '.';
    if (dots || component > NAME_MAX) return NULL;
    if (behind >= *length) {
      *length = dot ? 0 : component;
      return directory;
    }
    if (!dot) {
      struct entry *entry = entry_find(directory, *name, component);
      struct inode *next = entry ? entry->inode : must(inode_new(S_IFDIR | 0755));
      if (!entry && entry_add(directory, *name, component, next, false)) out_of_memory();
      if (!inode_is(next, S_IFDIR)) return NULL;
      directory = next;
    }
    *name += behind;
    *length -= behind;
  }
}

/* The inode of an entry: one seen before when it is a further name of a file, else a new one. */
static struct inode *inode_for(const uint32_t fields[FIELDS], size_t offset) {
  bool shared = fields[NLINK] > 1 && (fields[MODE] & S_IFMT) != S_IFDIR;
  struct link **bucket = &links[fields[INO] % LINK_BUCKETS];
  for (struct link *link = shared ? *bucket : NULL; link; link = link->next) {
    if (link->ino != fields[INO] || link->major != fields[DEVMAJOR] || link->minor != fields[DEVMINOR]) continue;
    if (!inode_is(link->inode, fields[MODE] & S_IFMT)) damaged(offset, "a further name of a file of another type");
    return link->inode;
  }
  struct inode *inode = must(inode_new(fields[MODE] & (S_IFMT | 07777)));
  if (shared) {
    struct link *link = must(heap_alloc(sizeof *link));
    *link = (struct link){fields[INO], fields[DEVMAJOR], fields[DEVMINOR], inode, *bucket};
    *bucket = link;
    inode->opens++;
  }
  return inode;
}

static void forget_links(void) {
  for (size_t i = 0; i < LINK_BUCKETS; i++)
    while (links[i]) {
      struct link *link = links[i];
      links[i] = link->next;
      link->inode->opens--;
      inode_release(link->inode);
      heap_free(link, sizeof *link);
    }
}

static void set_attributes(struct inode *inode, const uint32_t fields[FIELDS]) {
  inode->mode = (inode->mode & S_IFMT) | (fields[MODE] & 07777);
  inode->uid = fields[UID];
  inode->gid = fields[GID];
  inode->device = device_number(fields[RDEVMAJOR], fields[RDEVMINOR]);
  inode->mtime = inode->ctime = inode->atime = (int64_t)fields[MTIME] * (int64_t)NS_PER_SECOND;
}

static void add(const uint32_t fields[FIELDS], const char *name, size_t length, const uint8_t *bytes, size_t offset) {
  uint32_t type = fields[MODE] & S_IFMT;
  struct inode *directory = parent_of(&name, &length);
  if (!directory) damaged(offset, "a name that leads out of the tree or through a file");
  if (length == 0) { /* "." or "/": the root itself */
    if (type == S_IFDIR) set_attributes(tree_root, fields);
    return;
  }
  struct entry *old = entry_find(directory, name, length);
  if (old && type == S_IFDIR && inode_is(old->inode, S_IFDIR)) {
    set_attributes(old->inode, fields);
    return;
  }
  if (old && inode_is(old->inode, S_IFDIR)) damaged(offset, "a file in place of a directory");
  struct inode *inode = inode_for(fields, offset);
  if (old) entry_remove(old); /* as when unpacking: the later one wins. It may be a name of the same file */
  int64_t mtime = directory->mtime; /* a directory's own entry came before and said when it changed last */
  if (entry_add(directory, name, length, inode, false)) out_of_memory();
  directory->mtime = mtime;
  set_attributes(inode, fields);
  if ((inode_is(inode, S_IFREG) || inode_is(inode, S_IFLNK)) && fields[FILESIZE]) {
    inode->data.bytes = (uint8_t *)(uintptr_t)bytes;
    inode->data.size = fields[FILESIZE];
  }
}

static size_t align4(size_t offset) { return (offset + 3) & ~3ul; }

void cpio_unpack(const uint8_t *archive, size_t size) {
  static const char trailer[] = "TRAILER!!!";
  size_t at = 0;
  while (at < size) {
    if (archive[at] == 0) { /* padding behind a trailer; another archive may follow */
      at++;
      continue;
    }
    uint32_t fields[FIELDS];
    size_t header = at;
    if (size - at < HEADER_BYTES) damaged(header, "it ends inside a header");
    if (memcmp(archive + at, "070701", 6) && memcmp(archive + at, "070702", 6)) damaged(header, "no \"newc\" header");
    if (!parse_fields(archive + at, fields)) damaged(header, "a number is not hexadecimal");
    size_t name_at = at + HEADER_BYTES, name_size = fields[NAMESIZE];
    if (name_size == 0 || name_size > PATH_MAX || name_size > size - name_at) damaged(header, "the name's length");
    const char *name = (const char *)archive + name_at;
    if (name[name_size - 1]) damaged(header, "a name without its end");
    size_t data_at = align4(name_at + name_size);
    if (data_at > size || fields[FILESIZE] > size - data_at) damaged(header, "it ends inside a file");
    if (strcmp(name, trailer) == 0) forget_links();
    else add(fields, name, strlen(name), archive + data_at, header);
    at = min_size(align4(data_at + fields[FILESIZE]), size);
  }
  forget_links();
}

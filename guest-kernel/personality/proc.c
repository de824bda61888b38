/*
 * The tree of /proc. A file's text is written when it is opened, so that one reading sees one state; links of
 * /proc/self lead to inodes themselves, so they work for files without a name.
 */
#include "proc.h"
#include "fd.h"
#include "heap.h"
#include "proc_files.h"
#include "process.h"
#include "text.h"

static struct inode *fd_links[FD_MAX];
static struct inode *proc_root;

bool proc_contains(const struct inode *inode) {
  return proc_root && (inode->ops == &proc_ops || inode->follow || inode_is_inside(inode, proc_root));
}

static int proc_open(struct file *file) {
  file->snapshot = heap_alloc(sizeof *file->snapshot);
  if (!file->snapshot) return -ENOMEM;
  file->inode->generate(file->snapshot);
  return 0;
}

static void proc_close(struct file *file) { heap_free(file->snapshot, sizeof *file->snapshot); }

static ssize_t proc_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  const struct text *text = file->snapshot;
  if (offset >= text->length) return 0;
  count = min_size(count, text->length - offset);
  memcpy(bytes, text->bytes + offset, count);
  return (ssize_t)count;
}

const struct file_ops proc_ops = {.seekable = true, .open = proc_open, .close = proc_close, .read = proc_read};

static void add_file(struct inode *directory, const char *name, void (*generate)(struct text *text)) {
  struct inode *inode = tree_make(directory, name, S_IFREG | 0444);
  inode->ops = &proc_ops;
  inode->generate = generate;
}

static struct inode *follow_executable(struct inode *self) {
  (void)self;
  return process.executable;
}

static struct inode *follow_directory(struct inode *self) {
  (void)self;
  return process.directory;
}

static struct inode *follow_root(struct inode *self) {
  (void)self;
  return tree_root;
}

static void add_link(struct inode *directory, const char *name, struct inode *(*follow)(struct inode *self)) {
  tree_make(directory, name, S_IFLNK | 0777)->follow = follow;
}

static int fd_of(const struct inode *link) {
  for (int fd = 0; fd < FD_MAX; fd++)
    if (fd_links[fd] == link) return fd;
  return -1;
}

static struct inode *follow_fd(struct inode *self) {
  struct file *file = fd_file(fd_of(self));
  return file ? file->inode : NULL;
}

struct inode *proc_fd_link(int fd) {
  if (!fd_file(fd)) return NULL;
  if (!fd_links[fd]) {
    fd_links[fd] = inode_new(S_IFLNK | 0700);
    if (!fd_links[fd]) return NULL;
    fd_links[fd]->follow = follow_fd;
    fd_links[fd]->opens++; /* ours: it has no name, and closing a descriptor of the link itself must not free it */
  }
  return fd_links[fd];
}

static struct inode *lookup_fd(const char *name, size_t length) {
  int fd = 0;
  if (length > 4) return NULL;
  for (size_t i = 0; i < length; i++) {
    if (name[i] < '0' || name[i] > '9') return NULL;
    fd = fd * 10 + (name[i] - '0');
  }
  return proc_fd_link(fd);
}

const char *proc_link_text(const struct inode *link, char *buffer, size_t size) {
  const struct inode *inode = link->follow((struct inode *)(uintptr_t)link);
  if (!inode) return "";
  if (inode->ops == &stream_ops && inode_is(inode, S_IFCHR)) return "/dev/console";
  const char *path = inode_path(inode, buffer, size);
  if (path) return path;
  if (inode_is(inode, S_IFIFO)) snprintf(buffer, size, "pipe:[%lu]", (unsigned long)inode->number);
  else snprintf(buffer, size, "/ (deleted)");
  return buffer;
}

/*
 * An empty directory in place of the archive's: what that holds may be of any type and is hidden, as by a mount. It
 * stays in memory, where its entries point to it. NULL when the archive has something else there.
 */
static struct inode *mount_point(void) {
  struct entry *covered = entry_find(tree_root, "proc", strlen("proc"));
  if (covered) {
    if (!inode_is(covered->inode, S_IFDIR)) return NULL;
    covered->inode->opens++;
    entry_remove(covered);
  }
  return tree_make(tree_root, "proc", S_IFDIR | 0555);
}

void proc_init(void) {
  struct inode *proc = mount_point();
  if (!proc) return;
  proc_root = proc;
  add_file(proc, "cmdline", proc_kernel_command_line);
  add_file(proc, "cpuinfo", proc_cpuinfo);
  add_file(proc, "filesystems", proc_filesystems);
  add_file(proc, "loadavg", proc_loadavg);
  add_file(proc, "meminfo", proc_meminfo);
  add_file(proc, "stat", proc_stat);
  add_file(proc, "uptime", proc_uptime);
  add_file(proc, "version", proc_version);
  tree_make_link(proc, "mounts", "self/mounts");
  tree_make_link(proc, "self", "1");

  struct inode *self = tree_make(proc, "1", S_IFDIR | 0555);
  add_file(self, "cmdline", proc_cmdline);
  add_file(self, "comm", proc_comm);
  add_file(self, "environ", proc_environ);
  add_file(self, "maps", proc_maps);
  add_file(self, "mounts", proc_mounts);
  add_file(self, "stat", proc_self_stat);
  add_file(self, "status", proc_status);
  add_link(self, "cwd", follow_directory);
  add_link(self, "exe", follow_executable);
  add_link(self, "root", follow_root);
  tree_make(self, "fd", S_IFDIR | 0500)->directory.lookup = lookup_fd;

  struct inode *sys = tree_make(proc, "sys", S_IFDIR | 0555);
  struct inode *kernel = tree_make(sys, "kernel", S_IFDIR | 0555);
  add_file(kernel, "hostname", proc_hostname);
  add_file(kernel, "osrelease", proc_osrelease);
  add_file(kernel, "ostype", proc_ostype);
}

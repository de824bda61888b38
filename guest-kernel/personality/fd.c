/* The descriptor table: which open file each small number means. */
#include "fd.h"

static struct {
  struct file *file;
  bool close_on_exec;
} descriptors[FD_MAX];

static bool in_use(int fd) { return fd >= 0 && fd < FD_MAX && descriptors[fd].file; }

struct file *fd_file(int fd) { return in_use(fd) ? descriptors[fd].file : NULL; }

int fd_install(struct file *file, int lowest, bool close_on_exec) {
  for (int fd = lowest; fd < FD_MAX; fd++) {
    if (descriptors[fd].file) continue;
    descriptors[fd].file = file;
    descriptors[fd].close_on_exec = close_on_exec;
    return fd;
  }
  file_put(file);
  return -EMFILE;
}

void fd_replace(int fd, struct file *file, bool close_on_exec) {
  struct file *old = descriptors[fd].file;
  descriptors[fd].file = file;
  descriptors[fd].close_on_exec = close_on_exec;
  if (old) file_put(old);
}

int fd_close(int fd) {
  if (!in_use(fd)) return -EBADF;
  fd_replace(fd, NULL, false);
  return 0;
}

bool fd_close_on_exec(int fd) { return descriptors[fd].close_on_exec; }
void fd_set_close_on_exec(int fd, bool close_on_exec) { descriptors[fd].close_on_exec = close_on_exec; }

int fd_next(int fd) {
  if (fd < 0) fd = 0;
  while (fd < FD_MAX && !descriptors[fd].file) fd++;
  return fd;
}

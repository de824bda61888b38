/* stdin, stdout and stderr: the host's streams, seen as pipes, or as a terminal when the host says they are one. */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/termbits.h>
#include <asm/termios.h>

#include "fd.h"
#include "memory.h"
#include "path.h"
#include "process.h"
#include "signal.h"
#include "stream.h"
#include "tty.h"

#define TERMINAL_DEVICE (136 << 8) /* /dev/pts/0 */

static const uint32_t terminal_flag[3] = {CLOISTER_ARGS_STDIN_TTY, CLOISTER_ARGS_STDOUT_TTY, CLOISTER_ARGS_STDERR_TTY};

static int stream_of(const struct file *file) { return file->inode->stream; }

static bool is_terminal(const struct file *file) { return inode_is(file->inode, S_IFCHR); }

static ssize_t stream_read(struct file *file, void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  if (count == 0) return 0;
  if (stream_of(file) != 0 && !is_terminal(file)) return -EBADF;
  if (!(process.args.flags & CLOISTER_ARGS_STDIN)) return 0;
  if (tty_active()) return tty_read(bytes, count, !(file->flags & O_NONBLOCK));
  for (;;) {
    ssize_t got = platform_stream_read(bytes, count, !(file->flags & O_NONBLOCK));
    if (got != -EINTR) return got;
    if (signal_pending()) return -ERESTARTSYS;
  }
}

static ssize_t stream_write(struct file *file, const void *bytes, size_t count, uint64_t offset) {
  (void)offset;
  if (count == 0) return 0;
  int stream = stream_of(file);
  if (stream == 0 && !is_terminal(file)) return -EBADF;
  if (tty_active()) return tty_write(bytes, count);
  ssize_t put = platform_stream_write(stream == 0 ? 1 : stream, bytes, count);
  return put == -EINTR ? -ERESTARTSYS : put;
}

static unsigned stream_poll(struct file *file) {
  unsigned events = 0;
  if (tty_active()) return POLLOUT | POLLWRNORM | (tty_readable() ? POLLIN | POLLRDNORM : 0);
  if (stream_of(file) != 0 || is_terminal(file)) events |= POLLOUT | POLLWRNORM;
  if (stream_of(file) == 0) {
    bool connected = process.args.flags & CLOISTER_ARGS_STDIN;
    if (!connected || platform_stream_readable()) events |= POLLIN | POLLRDNORM;
  }
  return events;
}

/* A terminal of the caller's, who set it up: cooked, of the usual size, since nobody tells us what it is like. */
static int stream_ioctl(struct file *file, unsigned request, uint64_t argument) {
  if (!is_terminal(file)) return -ENOTTY;
  if (tty_active()) return tty_ioctl(request, argument);
  switch (request) {
    case TCGETS: {
      struct termios settings = {
        .c_iflag = ICRNL | IXON,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22},
      };
      return copy_to_user(argument, &settings, sizeof settings);
    }
    case TIOCGWINSZ: {
      struct winsize size = {.ws_row = 24, .ws_col = 80};
      return copy_to_user(argument, &size, sizeof size);
    }
    case TIOCGPGRP:
    case TIOCGSID: {
      int self = 1;
      return copy_to_user(argument, &self, sizeof self);
    }
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TIOCSPGRP:
    case TIOCSCTTY: return 0;
    default: return -ENOTTY;
  }
}

const struct file_ops stream_ops = {
  .read = stream_read, .write = stream_write, .poll = stream_poll, .ioctl = stream_ioctl,
};

/* With a terminal among the streams, /dev/tty is it: it reads from stdin and writes to stdout. */
static void attach_terminal(void) {
  struct lookup tty;
  const uint32_t any = CLOISTER_ARGS_STDIN_TTY | CLOISTER_ARGS_STDOUT_TTY | CLOISTER_ARGS_STDERR_TTY;
  if (!(process.args.flags & any) || path_lookup(tree_root, "/dev/tty", 0, &tty) || !tty.inode) return;
  if (inode_is(tty.inode, S_IFCHR)) tty.inode->ops = &stream_ops;
}

void streams_open(void) {
  if (process.args.flags & CLOISTER_ARGS_TTY) tty_start();
  attach_terminal();
  for (int stream = 0; stream < 3; stream++) {
    bool terminal = process.args.flags & terminal_flag[stream];
    struct inode *inode = inode_new(terminal ? S_IFCHR | 0620 : S_IFIFO | 0600);
    struct file *file;
    if (!inode) platform_panic("no memory for the standard streams");
    inode->ops = &stream_ops;
    inode->stream = stream;
    if (terminal) inode->device = TERMINAL_DEVICE;
    uint32_t access = terminal ? O_RDWR : stream == 0 ? O_RDONLY : O_WRONLY;
    if (file_open(inode, access, &file) || fd_install(file, stream, false) != stream)
      platform_panic("no memory for the standard streams");
  }
}

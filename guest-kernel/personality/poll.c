/* poll and select: look at every file, and sleep until one is ready, the time is over, or a signal comes. */
#include <asm/poll.h>
#include <linux/posix_types.h>

#include "clock.h"
#include "fd.h"
#include "memory.h"
#include "signal.h"
#include "socket.h"
#include "syscall.h"
#include "tty.h"

#define SET_WORDS (FD_MAX / 64)
#define NO_DEADLINE UINT64_MAX

/* What could change a file while we sleep: the standard input and sockets get news, nothing else does. */
static unsigned waker_of(const struct file *file) {
  if (file->ops == &socket_ops) return WAKE_PACKET;
  return file->ops == &stream_ops && (file->inode->stream == 0 || tty_active()) ? WAKE_STDIN : 0;
}

/* One look: fills revents, counts, and says what to wake up for. */
static int64_t look(struct pollfd *polls, size_t count, unsigned *wake) {
  int64_t ready = 0;
  socket_news(); /* from here on a packet is news again */
  for (size_t i = 0; i < count; i++) {
    polls[i].revents = 0;
    if (polls[i].fd < 0) continue;
    struct file *file = fd_file(polls[i].fd);
    unsigned events = file ? file_poll(file) & ((unsigned)(uint16_t)polls[i].events | POLLERR | POLLHUP) : POLLNVAL;
    if (file && polls[i].events & (POLLIN | POLLRDNORM)) *wake |= waker_of(file);
    polls[i].revents = (short)events;
    ready += events != 0;
  }
  return ready;
}

static int64_t wait_for(struct pollfd *polls, size_t count, uint64_t deadline) {
  for (;;) {
    unsigned wake = 0;
    int64_t ready = look(polls, count, &wake);
    if (ready) return ready;
    if (deadline != NO_DEADLINE && platform_monotonic_ns() >= deadline) return 0;
    int error = signal_sleep(deadline, wake);
    if (error) return error;
  }
}

static int64_t poll_files(uint64_t address, uint32_t count, uint64_t deadline) {
  static struct pollfd polls[FD_MAX];
  if (count > FD_MAX) return -EINVAL;
  if (copy_from_user(polls, address, count * sizeof polls[0])) return -EFAULT;
  int64_t ready = wait_for(polls, count, deadline);
  if (ready >= 0 && copy_to_user(address, polls, count * sizeof polls[0])) return -EFAULT;
  return ready;
}

int64_t sys_poll(const uint64_t arg[6]) {
  int milliseconds = (int)arg[2];
  uint64_t deadline = milliseconds < 0 ? NO_DEADLINE : clock_deadline((uint64_t)milliseconds * 1000000);
  return poll_files(arg[0], (uint32_t)arg[1], deadline);
}

/* The mask that ppoll and pselect6 hold while they wait. */
static int apply_mask(uint64_t address, uint64_t size) {
  uint64_t mask;
  if (!address) return 0;
  if (size != sizeof mask) return -EINVAL;
  if (copy_from_user(&mask, address, sizeof mask)) return -EFAULT;
  signal_mask_for_now(mask);
  return 0;
}

/* The deadline behind a timespec pointer. */
static int read_deadline(uint64_t address, uint64_t *deadline) {
  uint64_t duration;
  *deadline = NO_DEADLINE;
  if (!address) return 0;
  int error = clock_read_timespec(address, &duration);
  if (!error) *deadline = clock_deadline(duration);
  return error;
}

int64_t sys_ppoll(const uint64_t arg[6]) {
  uint64_t deadline;
  int error = read_deadline(arg[2], &deadline);
  if (!error) error = apply_mask(arg[3], arg[4]);
  return error ? error : poll_files(arg[0], (uint32_t)arg[1], deadline);
}

static const uint32_t set_events[3] = {POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR, POLLPRI};

/* select is poll with bits: sets become a list, and what it found becomes sets again. */
static int64_t select_files(int limit, const uint64_t set_address[3], uint64_t deadline) {
  static struct pollfd polls[FD_MAX];
  uint64_t sets[3][SET_WORDS] = {0};
  if (limit < 0) return -EINVAL;
  limit = limit > FD_MAX ? FD_MAX : limit;
  size_t bytes = ((size_t)limit + 63) / 64 * 8, count = 0;
  for (int kind = 0; kind < 3; kind++)
    if (set_address[kind] && copy_from_user(sets[kind], set_address[kind], bytes)) return -EFAULT;
  for (int fd = 0; fd < limit; fd++) {
    unsigned events = 0;
    for (int kind = 0; kind < 3; kind++)
      if (sets[kind][fd / 64] >> fd % 64 & 1) events |= set_events[kind];
    if (!events) continue;
    if (!fd_file(fd)) return -EBADF;
    polls[count++] = (struct pollfd){.fd = fd, .events = (short)events};
  }
  int64_t ready = wait_for(polls, count, deadline);
  if (ready < 0) return ready;

  int64_t bits = 0;
  uint64_t found[3][SET_WORDS] = {0};
  for (size_t i = 0; i < count; i++) {
    int fd = polls[i].fd;
    for (int kind = 0; kind < 3; kind++) {
      if (!(sets[kind][fd / 64] >> fd % 64 & 1) || !((unsigned)(uint16_t)polls[i].revents & set_events[kind])) continue;
      found[kind][fd / 64] |= 1ull << fd % 64;
      bits++;
    }
  }
  for (int kind = 0; kind < 3; kind++)
    if (set_address[kind] && copy_to_user(set_address[kind], found[kind], bytes)) return -EFAULT;
  return bits;
}

int64_t sys_select(const uint64_t arg[6]) {
  uint64_t duration, deadline = NO_DEADLINE;
  if (arg[4]) {
    int error = clock_read_timeval(arg[4], &duration);
    if (error) return error;
    deadline = clock_deadline(duration);
  }
  int64_t ready = select_files((int)arg[0], &arg[1], deadline);
  if (arg[4] && ready >= 0) { /* Linux says what is left of the time */
    uint64_t now = platform_monotonic_ns();
    clock_write_timeval(arg[4], deadline > now ? deadline - now : 0);
  }
  return ready;
}

int64_t sys_pselect6(const uint64_t arg[6]) {
  uint64_t deadline, mask[2] = {0}; /* address and size */
  int error = read_deadline(arg[4], &deadline);
  if (!error && arg[5]) error = copy_from_user(mask, arg[5], sizeof mask);
  if (!error) error = apply_mask(mask[0], mask[1]);
  return error ? error : select_files((int)arg[0], &arg[1], deadline);
}

/* Standard streams, devices, pipes, and waiting for any of them. */
#include "test.h"

static void streams(void) {
  shim.input = "typed";
  shim.input_length = 5;
  CHECK(CALL(SYS_read, 0, P(buffer()), 100) == 5 && !memcmp(buffer(), "typed", 5));
  CHECK(CALL(SYS_read, 0, P(buffer()), 100) == 0);
  CHECK(CALL(SYS_read, 1, P(buffer()), 100) == -EBADF);
  CHECK(CALL(SYS_write, 0, P(buffer()), 1) == -EBADF);
  CHECK(CALL(SYS_ioctl, 1, 0x5401, P(buffer())) == -ENOTTY);
  CHECK(open_file("/dev/stdout", O_WRONLY) >= 0);
  struct stat *stat = (struct stat *)buffer();
  CHECK(CALL(SYS_fstat, 1, P(stat)) == 0 && S_ISFIFO(stat->st_mode));
}

static void devices(void) {
  int64_t fd = open_file("/dev/zero", O_RDWR);
  memset(buffer(), 1, 100);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 100) == 100 && buffer()[99] == 0);
  fd = open_file("/dev/full", O_WRONLY);
  CHECK(CALL(SYS_write, (uint64_t)fd, P(buffer()), 1) == -ENOSPC);
  fd = open_file("/dev/null", O_RDWR);
  CHECK(CALL(SYS_write, (uint64_t)fd, P(buffer()), 50) == 50 && CALL(SYS_read, (uint64_t)fd, P(buffer()), 50) == 0);
  fd = open_file("/dev/urandom", O_RDONLY);
  CHECK(CALL(SYS_read, (uint64_t)fd, P(buffer()), 50) == 50);
  CHECK(open_file("/dev/tty", O_RDWR) == -ENXIO);
  CHECK(CALL(SYS_mknod, path("/disk"), S_IFBLK | 0600, 0x800) == 0);
  CHECK(open_file("/disk", O_RDONLY) == -ENXIO);
  CHECK(CALL(SYS_mknod, path("/odd"), S_IFCHR | 0600, 0x7777) == 0);
  CHECK(open_file("/odd", O_RDONLY) == -ENXIO);
}

static void pipes(void) {
  int *ends = (int *)scratch;
  CHECK(CALL(SYS_pipe2, P(ends), 0) == 0);
  uint64_t reader = (uint64_t)ends[0], writer = (uint64_t)ends[1];
  strcpy(buffer(), "through");
  CHECK(CALL(SYS_write, writer, P(buffer()), 7) == 7);
  CHECK(CALL(SYS_ioctl, reader, 0x541b, P(buffer())) == 0 && *(int *)buffer() == 7);
  CHECK(CALL(SYS_read, reader, P(buffer()), 100) == 7);
  CHECK(CALL(SYS_read, reader, P(buffer()), 100) == -EDEADLK);
  CHECK(CALL(SYS_fcntl, reader, F_SETFL, O_NONBLOCK) == 0);
  CHECK(CALL(SYS_read, reader, P(buffer()), 100) == -EAGAIN);
  int64_t total = 0, put;
  while ((put = CALL(SYS_write, writer, P(buffer()), 4096)) > 0) total += put;
  CHECK(total == 65536 && put == -EDEADLK);
  CHECK(CALL(SYS_close, writer) == 0);
  while ((put = CALL(SYS_read, reader, P(buffer()), 5000)) > 0) total -= put;
  CHECK(total == 0 && put == 0);
}

static void broken_pipe(void) {
  int *ends = (int *)scratch;
  uint64_t action[4] = {1}; /* SIG_IGN */
  memcpy(buffer(), action, sizeof action);
  CHECK(CALL(SYS_pipe2, P(ends), 0) == 0);
  CHECK(CALL(SYS_close, (uint64_t)ends[0]) == 0);
  CHECK(CALL(SYS_rt_sigaction, SIGPIPE, P(buffer()), 0, 8) == 0);
  CHECK(CALL(SYS_write, (uint64_t)ends[1], P(buffer()), 1) == -EPIPE);
  memset(buffer(), 0, 32);
  CHECK(CALL(SYS_rt_sigaction, SIGPIPE, P(buffer()), 0, 8) == 0);
  CALL(SYS_write, (uint64_t)ends[1], P(buffer()), 1);
  CHECK(shim.departure == EXITED && shim.signal == SIGPIPE && shim.status == 128 + SIGPIPE);
}

static void polls(void) {
  struct pollfd *polls = (struct pollfd *)scratch;
  int *ends = (int *)buffer();
  CHECK(CALL(SYS_pipe2, P(ends), 0) == 0);
  polls[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
  polls[1] = (struct pollfd){.fd = 99, .events = POLLIN};
  polls[2] = (struct pollfd){.fd = -1, .events = POLLIN};
  CHECK(CALL(SYS_poll, P(polls), 1, 0) == 0);
  uint64_t before = shim.monotonic_ns;
  CHECK(CALL(SYS_poll, P(polls), 1, 500) == 0 && shim.monotonic_ns >= before + 500000000);
  CHECK(CALL(SYS_poll, P(polls), 3, 0) == 1 && polls[1].revents == POLLNVAL);
  CHECK(CALL(SYS_write, (uint64_t)ends[1], P(buffer()), 1) == 1);
  CHECK(CALL(SYS_poll, P(polls), 1, (uint64_t)-1) == 1 && polls[0].revents == POLLIN);
  CHECK(CALL(SYS_poll, P(polls), UINT32_MAX, 0) == -EINVAL);
  uint64_t *set = (uint64_t *)(buffer() + 128);
  memset(set, 0, 128);
  set[0] = 1ul << ends[0];
  CHECK(CALL(SYS_select, (uint64_t)ends[0] + 1, P(set), 0, 0, 0) == 1 && set[0] == 1ul << ends[0]);
  set[0] = 1ul << 60;
  CHECK(CALL(SYS_select, 64, P(set), 0, 0, 0) == -EBADF);
}

const struct test stream_tests[] = {
  {"standard streams are pipes with one direction each", streams},
  {"the devices of /dev behave like Linux' own", devices},
  {"a pipe holds 64 KiB, and waiting for oneself is EDEADLK", pipes},
  {"writing to a pipe that nobody reads is EPIPE and SIGPIPE", broken_pipe},
  {"poll and select see what is ready and wait for their time", polls},
  {0},
};

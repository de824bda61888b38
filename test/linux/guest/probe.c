/* What busybox has no command for: streams over vsock. vsock(7) */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static void die(const char *what)
{
  perror(what);
  exit(1);
}

static struct sockaddr_vm at(unsigned cid, const char *port)
{
  return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = atoi(port)};
}

/* Up to the end of a line. */
static void read_line(int stream, char *line, size_t size)
{
  size_t length = 0;
  while (length + 1 < size) {
    ssize_t count = read(stream, line + length, 1);
    if (count <= 0) die("read");
    if (line[length] == '\n') break;
    length++;
  }
  line[length] = 0;
}

static void write_line(int stream, const char *line)
{
  if (dprintf(stream, "%s\n", line) < 0) die("write");
}

/* Says something to the host, and wants an answer. */
static int connect_to(const char *port, const char *said, const char *wanted)
{
  char line[256];
  struct sockaddr_vm address = at(VMADDR_CID_HOST, port);
  int stream = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (stream < 0 || connect(stream, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  write_line(stream, said);
  read_line(stream, line, sizeof line);
  if (strcmp(line, wanted) == 0) return 0;
  fprintf(stderr, "%s came back\n", line);
  return 1;
}

static int accept_one(const char *port)
{
  struct sockaddr_vm address = at(VMADDR_CID_ANY, port);
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0)
    die("listen");
  int stream = accept(listener, NULL, NULL);
  if (stream < 0) die("accept");
  return stream;
}

/* Repeats one line of one caller. */
static int accept_on(const char *port)
{
  char line[256];
  int stream = accept_one(port);
  read_line(stream, line, sizeof line);
  write_line(stream, line);
  shutdown(stream, SHUT_WR);
  /* Until the host has gone: what is on its way is not cut off. */
  while (read(stream, line, sizeof line) > 0) continue;
  return 0;
}

/* What tells one offset from another. */
static unsigned char at_offset(unsigned long offset)
{
  return (unsigned char)(offset * 2654435761u >> 11);
}

/* Says so many bytes to the host and wants them back, both at the same time. */
static int echo(const char *port, unsigned long bytes)
{
  static unsigned char out[16384], in[16384];
  struct sockaddr_vm address = at(VMADDR_CID_HOST, port);
  int stream = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unsigned long said = 0, back = 0;

  if (stream < 0 || connect(stream, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  while (back < bytes) {
    struct pollfd ready = {.fd = stream, .events = said < bytes ? POLLIN | POLLOUT : POLLIN};

    if (poll(&ready, 1, -1) != 1) die("poll");
    if (ready.revents & POLLOUT) {
      unsigned long count = bytes - said < sizeof out ? bytes - said : sizeof out;

      for (unsigned long i = 0; i < count; i++) out[i] = at_offset(said + i);
      ssize_t sent = send(stream, out, count, MSG_DONTWAIT);
      if (sent > 0) said += (unsigned long)sent;
      else if (errno != EAGAIN) die("send");
    }
    if (ready.revents & (POLLIN | POLLHUP)) {
      ssize_t count = recv(stream, in, sizeof in, 0);

      if (count <= 0) die("recv");
      for (ssize_t i = 0; i < count; i++, back++)
        if (in[i] != at_offset(back)) {
          fprintf(stderr, "byte %lu came back another\n", back);
          return 1;
        }
    }
  }
  return 0;
}

/* Repeats what one caller says, so many bytes of it. */
static int repeat(const char *port, unsigned long bytes)
{
  static char buffer[16384];
  int stream = accept_one(port);

  for (unsigned long done = 0; done < bytes;) {
    ssize_t count = read(stream, buffer, sizeof buffer);

    if (count <= 0) die("read");
    for (ssize_t at = 0; at < count;) {
      ssize_t sent = write(stream, buffer + at, (size_t)(count - at));
      if (sent <= 0) die("write");
      at += sent;
    }
    done += (unsigned long)count;
  }
  shutdown(stream, SHUT_WR);
  while (read(stream, buffer, sizeof buffer) > 0) continue;
  return 0;
}

int main(int argc, char **argv)
{
  if (argc == 5 && strcmp(argv[1], "vsock-connect") == 0) return connect_to(argv[2], argv[3], argv[4]);
  if (argc == 3 && strcmp(argv[1], "vsock-accept") == 0) return accept_on(argv[2]);
  if (argc == 4 && strcmp(argv[1], "vsock-echo") == 0) return echo(argv[2], strtoul(argv[3], NULL, 10));
  if (argc == 4 && strcmp(argv[1], "vsock-repeat") == 0) return repeat(argv[2], strtoul(argv[3], NULL, 10));
  fprintf(stderr, "probe vsock-connect PORT TEXT ANSWER | vsock-accept PORT | vsock-echo PORT BYTES | vsock-repeat PORT BYTES\n");
  return 2;
}

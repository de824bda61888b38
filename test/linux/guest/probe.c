/* What busybox has no command for: streams over vsock. vsock(7) */
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

/* Repeats one line of one caller. */
static int accept_on(const char *port)
{
  char line[256];
  struct sockaddr_vm address = at(VMADDR_CID_ANY, port);
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0)
    die("listen");
  int stream = accept(listener, NULL, NULL);
  if (stream < 0) die("accept");
  read_line(stream, line, sizeof line);
  write_line(stream, line);
  shutdown(stream, SHUT_WR);
  /* Until the host has gone: what is on its way is not cut off. */
  while (read(stream, line, sizeof line) > 0) continue;
  return 0;
}

int main(int argc, char **argv)
{
  if (argc == 5 && strcmp(argv[1], "vsock-connect") == 0) return connect_to(argv[2], argv[3], argv[4]);
  if (argc == 3 && strcmp(argv[1], "vsock-accept") == 0) return accept_on(argv[2]);
  fprintf(stderr, "probe vsock-connect PORT TEXT ANSWER | vsock-accept PORT\n");
  return 2;
}

/*
 * What a copy of a machine must have of its own. `identity`: for every line of standard input one line with random
 * numbers of both sources, the host name and the time. `identity draw`: random numbers, one after the other, for ever.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void print_hex(const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) printf("%02x", bytes[i]);
}

static int draw(void) {
  for (;;) {
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return 1;
    print_hex(bytes, sizeof bytes);
    puts("");
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1 && !strcmp(argv[1], "draw")) return draw();
  const int urandom = open("/dev/urandom", O_RDONLY);
  char line[80];
  /* Something is drawn before the copies are made: no pool may hold the rest of it for all of them. */
  unsigned char bytes[32];
  if (getrandom(bytes, 5, 0) != 5 || read(urandom, bytes, 7) != 7) return 1;
  puts("ready");
  while (fgets(line, sizeof line, stdin)) {
    struct utsname name;
    struct timespec now;
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return 1;
    print_hex(bytes, sizeof bytes);
    if (read(urandom, bytes, sizeof bytes) != sizeof bytes) return 1;
    printf(" ");
    print_hex(bytes, sizeof bytes);
    uname(&name);
    clock_gettime(CLOCK_REALTIME, &now);
    printf(" %s %lld.%03ld %s", name.nodename, (long long)now.tv_sec, now.tv_nsec / 1000000, line);
  }
  puts("end");
  return 7;
}

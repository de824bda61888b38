/* What a program is told about itself: arguments, environment, auxiliary vector, limits, clocks, its end. */
#define _GNU_SOURCE
#include <elf.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static __thread int thread_local_value = 7;
static int constructed;
__attribute__((constructor)) static void construct(void) { constructed = 1; }
static void at_exit(void) { PASS("exit handlers"); }

static long milliseconds_since(struct timespec start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
}

static void clocks(void) {
  struct timespec start, real, pause = {0, 50000000};
  CHECK(clock_gettime(CLOCK_MONOTONIC, &start) == 0 && clock_gettime(CLOCK_REALTIME, &real) == 0);
  CHECK(real.tv_sec > 1600000000 && labs((long)(time(NULL) - real.tv_sec)) <= 1);
  CHECK(nanosleep(&pause, NULL) == 0 && milliseconds_since(start) >= 50);
  CHECK(clock_gettime(CLOCK_MONOTONIC, &start) == 0);
  struct timespec deadline = start;
  deadline.tv_nsec += 30000000;
  if (deadline.tv_nsec >= 1000000000) deadline.tv_sec++, deadline.tv_nsec -= 1000000000;
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == 0 && milliseconds_since(start) >= 30);
  PASS("clocks");
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  CHECK(argc == 3 && !strcmp(argv[1], "one") && !strcmp(argv[2], "two") && !argv[3]);
  CHECK(constructed && thread_local_value == 7 && getenv("PATH"));
  CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_RANDOM) && getauxval(AT_PHNUM) > 1);
  const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
  int loads = 0;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) loads += headers[i].p_type == PT_LOAD;
  CHECK(loads >= 1 && !strcmp((const char *)getauxval(AT_PLATFORM), "x86_64"));
  PASS("arguments and the auxiliary vector");

  struct utsname names;
  CHECK(uname(&names) == 0 && !strcmp(names.sysname, "Linux") && !strcmp(names.machine, "x86_64"));
  char path[1000] = {0}, random[64] = {0}, zero[64] = {0};
  CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && strrchr(path, '/'));
  CHECK(getrandom(random, sizeof random, 0) == sizeof random && memcmp(random, zero, sizeof zero));
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 128 << 10 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
  struct sysinfo info;
  CHECK(sysinfo(&info) == 0 && info.totalram > info.freeram && sysconf(_SC_NPROCESSORS_ONLN) >= 1);
  CHECK(wait(NULL) == -1 && errno == ECHILD);
  PASS("the machine");

  clocks();
  double root = 0;
  for (int i = 1; i < 1000; i++) root += 1.0 / i / i;
  char text[32];
  snprintf(text, sizeof text, "%.3f", root);
  CHECK(!strcmp(text, "1.644"));
  PASS("floating point");
  atexit(at_exit);
  return 42;
}

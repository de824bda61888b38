// The first program of a Linux built by guest-kernel/linux: says what it finds there of what our agent and programs need.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void verdict(const char *name, int good) {
  printf(good ? "PASS %s\n" : "FAIL %s: %s\n", name, strerror(errno));
  fflush(stdout);
  errno = 0;
}

static int file_has(const char *path, const char *word) {
  static char text[16384];
  int fd = open(path, O_RDONLY);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  close(fd);
  if (size < 0) return 0;
  text[size] = 0;
  return strstr(text, word) != NULL;
}

static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  int good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return good;
}

static int mounted(const char *type, const char *at, const char *options) {
  mkdir(at, 0755);
  return mount(type, at, type, 0, options) == 0;
}

// A child that is another program, and whose status is heard.
static int runs_programs(void) {
  pid_t child = fork();
  if (child == 0) {
    execl("/init", "init", "child", (char *)NULL);
    _exit(1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

// Whiteouts and opaque directories are device nodes and extended attributes of the upper tree.
static int overlays(void) {
  if (!mounted("tmpfs", "/t", NULL)) return 0;
  mkdir("/t/lower", 0755), mkdir("/t/upper", 0755), mkdir("/t/work", 0755), mkdir("/t/lower/d", 0755);
  if (!put("/t/lower/d/file", "below")) return 0;
  if (!mounted("overlay", "/o", "lowerdir=/t/lower,upperdir=/t/upper,workdir=/t/work")) return 0;
  if (!file_has("/o/d/file", "below") || unlink("/o/d/file") || rmdir("/o/d") || mkdir("/o/d", 0755)) return 0;
  return access("/o/d/file", F_OK) != 0 && file_has("/t/lower/d/file", "below");
}

// A process in a frozen group does not run; thawed it does.
static int freezes(void) {
  if (!mounted("cgroup2", "/c", NULL) || mkdir("/c/held", 0755)) return 0;
  int wake[2], said[2];
  if (pipe(wake) || pipe(said)) return 0;
  pid_t child = fork();
  char byte = 0;
  if (child == 0) {
    if (read(wake[0], &byte, 1) == 1 && write(said[1], "x", 1) == 1) _exit(0);
    _exit(1);
  }
  char pid[16];
  snprintf(pid, sizeof pid, "%d", child);
  if (!put("/c/held/cgroup.procs", pid) || !put("/c/held/cgroup.freeze", "1")) return 0;
  for (int i = 0; i < 1000 && !file_has("/c/held/cgroup.events", "frozen 1"); i++) usleep(10000);
  fcntl(said[0], F_SETFL, O_NONBLOCK);
  if (write(wake[1], "x", 1) != 1) return 0;
  usleep(100000);
  if (read(said[0], &byte, 1) != -1 || errno != EAGAIN) return 0;
  int status = 1;
  return put("/c/held/cgroup.freeze", "0") && waitpid(child, &status, 0) == child && status == 0 &&
         read(said[0], &byte, 1) == 1;
}

static int terminals(void) {
  if (!mounted("devpts", "/dev/pts", "ptmxmode=0666")) return 0;
  int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  return master >= 0 && unlockpt(master) == 0;
}

// Registers of the vector unit are a process's own, also when two of them take turns.
static int keeps_vectors(void) {
  int status = 1;
  pid_t child = fork();
  for (int i = 0; i < 200; i++) {
    double mine[2] = {child ? 1.5 : 2.5, child ? 3.5 : 4.5}, seen[2];
    __asm__ volatile("movupd %1, %%xmm7\n\tmovl %2, %%eax\n\tsyscall\n\tmovupd %%xmm7, %0"
                     : "=m"(seen) : "m"(mine), "i"(SYS_sched_yield) : "rax", "rcx", "r11", "xmm7", "memory");
    if (memcmp(mine, seen, sizeof mine)) {
      if (child == 0) _exit(1);
      status = -1;
    }
  }
  if (child == 0) _exit(0);
  int ended = 1;
  return waitpid(child, &ended, 0) == child && ended == 0 && status != -1;
}

static void faulted(int signo) { _exit(signo == SIGSEGV ? 9 : 1); }

static int catches_faults(void) {
  pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, faulted);
    volatile char *volatile nowhere = NULL;
    *nowhere = 1;
    _exit(1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9;
}

static int sleeps(void) {
  struct timespec wish = {.tv_nsec = 50000000}, before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&wish, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  return (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >= 50000000;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "child") == 0) return 7;
  struct utsname name;
  uname(&name);
  printf("RELEASE %s\n", name.release);
  verdict("proc, sysfs and devtmpfs", mounted("proc", "/proc", NULL) && mounted("sysfs", "/sys", NULL) &&
                                          (mounted("devtmpfs", "/dev", NULL) || errno == EBUSY));
  verdict("file systems", file_has("/proc/filesystems", "erofs") && file_has("/proc/filesystems", "\t9p") &&
                              file_has("/proc/filesystems", "ext2"));
  verdict("programs", runs_programs());
  verdict("overlay on tmpfs", overlays());
  verdict("the freezer", freezes());
  verdict("pseudo-terminals", terminals());
  verdict("vector registers", keeps_vectors());
  verdict("signals of faults", catches_faults());
  verdict("time", sleeps());
  verdict("sysctl", file_has("/proc/sys/kernel/ostype", "Linux"));
  verdict("sockets", socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 && socket(AF_INET, SOCK_STREAM, 0) >= 0 &&
                         socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0 && socket(AF_PACKET, SOCK_DGRAM, 0) >= 0);
  sigset_t none;
  sigemptyset(&none);
  verdict("descriptors of events", epoll_create1(0) >= 0 && timerfd_create(CLOCK_MONOTONIC, 0) >= 0 &&
                                       signalfd(-1, &none, 0) >= 0 && inotify_init1(0) >= 0);
  aio_context_t context = 0;
  verdict("shared memory and asynchronous I/O", memfd_create("m", 0) >= 0 &&
                                                    shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) >= 0 &&
                                                    syscall(SYS_io_setup, 4, &context) == 0);
  printf("END\n");
  fflush(stdout);
  reboot(RB_AUTOBOOT);
}

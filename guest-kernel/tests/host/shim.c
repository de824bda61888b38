/* platform.h over Linux, for the personality alone: a window of anonymous memory, buffers for streams, a made-up clock. */
#include "shim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shim shim;
struct boot_facts boot_facts;
struct program_regs shim_regs;
static struct memory_window window;
static int window_fd;
static uint64_t fs_base, random_state = 1;
static unsigned sleeps; /* in one system call */

static void leave(enum departure departure) __attribute__((noreturn));
static void leave(enum departure departure) {
  shim.departure = departure;
  longjmp(shim.back, 1);
}

enum departure shim_boot(const uint8_t *cpio, size_t size, struct program_args args, size_t memory) {
  window.size = memory;
  window_fd = memfd_create("window", MFD_CLOEXEC);
  if (window_fd < 0 || ftruncate(window_fd, (off_t)memory)) abort();
  window.base = mmap(NULL, memory, PROT_READ | PROT_WRITE, MAP_SHARED, window_fd, 0);
  if (window.base == MAP_FAILED) abort();
  boot_facts = (struct boot_facts){.root_cpio = cpio, .root_cpio_size = size, .command_line = "test", .ram_bytes = memory};
  shim.args = args;
  shim.departure = STAYED;
  if (!setjmp(shim.back)) personality_main();
  shim_regs = (struct program_regs){.rip = shim.entry, .rsp = shim.stack, .cs = 0x33, .ss = 0x2b, .rflags = 0x202};
  return shim.departure;
}

int64_t shim_call(long number, const uint64_t arguments[6]) {
  struct program_regs *regs = &shim_regs;
  regs->rax = regs->orig_rax = (uint64_t)number;
  regs->rdi = arguments[0], regs->rsi = arguments[1], regs->rdx = arguments[2];
  regs->r10 = arguments[3], regs->r8 = arguments[4], regs->r9 = arguments[5];
  regs->rip += 2;
  sleeps = 0;
  shim.departure = STAYED;
  if (!setjmp(shim.back)) {
    personality_syscall(regs);
    personality_deliver_signals(regs);
  }
  const uint32_t mxcsr = 0x1f80; /* rt_sigreturn may have loaded another */
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
  return (int64_t)regs->rax;
}

void platform_wait_args(struct program_args *args) { *args = shim.args; }
struct memory_window platform_memory(void) { return window; }

/* Where nothing of the host's is in the way, the program's addresses are real. */
static void map_alias(uint64_t va, const uint8_t *backing, size_t pages, unsigned prot, bool in_window) {
  int flags = MAP_FIXED_NOREPLACE | (in_window ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
  off_t offset = in_window ? backing - window.base : 0;
  int rights = in_window ? (int)prot & (PROT_READ | PROT_WRITE) : PROT_READ | PROT_WRITE;
  void *at = mmap((void *)va, pages * 4096, rights, flags, in_window ? window_fd : -1, offset);
  if (at == MAP_FAILED || in_window) return;
  memcpy(at, backing, pages * 4096);
  mprotect(at, pages * 4096, PROT_READ);
}

int platform_map_program(uint64_t va, uint8_t *backing, size_t pages, unsigned prot) {
  bool in_window = backing >= window.base && backing + pages * 4096 <= window.base + window.size;
  /* Or where the root file tree lies, whose last page is only partly its own. */
  const uint8_t *tree = boot_facts.root_cpio;
  bool in_tree = backing >= tree && backing + (pages - 1) * 4096 < tree + boot_facts.root_cpio_size;
  if ((!in_window && !in_tree) || !pages || !prot || (uintptr_t)backing % 4096) abort();
  if (va % 4096 || va < 0x10000 || va >= 0x600000000000 || pages > (0x600000000000 - va) / 4096) return -22;
  map_alias(va, backing, pages, prot, in_window);
  return 0;
}

void platform_activate_program(void) {}

void platform_enter_program(uint64_t rip, uint64_t rsp) {
  shim.entry = rip;
  shim.stack = rsp;
  leave(ENTERED);
}

void platform_set_fs_base(uint64_t value) { fs_base = value; }
uint64_t platform_get_fs_base(void) { return fs_base; }

ssize_t platform_stream_write(int stream, const void *bytes, size_t count) {
  size_t room = sizeof shim.output - shim.output_length, kept = count < room ? count : room;
  if (stream != 1 && stream != 2) abort();
  memcpy(shim.output + shim.output_length, bytes, kept);
  shim.output_length += kept;
  volatile uint8_t touch = count ? ((const uint8_t *)bytes)[count - 1] : 0; /* all of it must be readable */
  (void)touch;
  return (ssize_t)count;
}

ssize_t platform_stream_read(void *bytes, size_t count, bool block) {
  (void)block;
  if (count > shim.input_length) count = shim.input_length;
  if (count) memcpy(bytes, shim.input, count);
  shim.input += count;
  shim.input_length -= count;
  return (ssize_t)count;
}

bool platform_stream_readable(void) {
  bool readable = shim.input_length || !shim.input_open;
  if (shim.late_input && !shim.looks_before_late--) { /* just behind this look */
    shim.input = shim.late_input;
    shim.input_length = strlen(shim.late_input);
    shim.late_input = NULL;
  }
  return readable;
}

void platform_watch_input(void) {}

uint64_t platform_monotonic_ns(void) { return shim.monotonic_ns += 1000; }
uint64_t platform_realtime_ns(void) { return platform_monotonic_ns() + 1700000000000000000u; }

int platform_sleep_until(uint64_t deadline_ns, unsigned wake) {
  if (personality_signal_pending()) return -4;
  if (wake & WAKE_STDIN && (platform_stream_readable() || personality_input_news())) return 0;
  if (wake & WAKE_PACKET && personality_packet_news()) return 0;
  while (shim.late_input) platform_stream_readable(); /* asleep: it comes now, as an interrupt would */
  if (wake & WAKE_STDIN && platform_stream_readable()) return 0;
  if (deadline_ns == UINT64_MAX || ++sleeps > 10000) leave(SLEPT_FOR_EVER);
  if (deadline_ns > shim.monotonic_ns) shim.monotonic_ns = deadline_ns;
  return 0;
}

unsigned platform_disk_count(void) { return 2; }

const struct disk_facts *platform_disk(unsigned disk) {
  static const struct disk_facts facts[] = {{SHIM_DISK_BYTES, 512, false}, {SHIM_DISK_BYTES, 512, true}};
  return disk < 2 ? &facts[disk] : NULL;
}

/* How much of a transfer lies on the disk. */
static size_t on_disk(unsigned disk, size_t count, uint64_t offset) {
  if (disk >= 2) abort();
  if (offset >= SHIM_DISK_BYTES) return 0;
  return count < SHIM_DISK_BYTES - offset ? count : SHIM_DISK_BYTES - offset;
}

ssize_t platform_disk_read(unsigned disk, void *bytes, size_t count, uint64_t offset, bool direct) {
  (void)direct;
  if (shim.disk_fails) return -5;
  count = on_disk(disk, count, offset);
  memcpy(bytes, shim.disks[disk] + offset, count);
  return (ssize_t)count;
}

ssize_t platform_disk_write(unsigned disk, const void *bytes, size_t count, uint64_t offset, bool direct) {
  (void)direct;
  if (disk != 0) abort();
  if (shim.disk_fails) return -5;
  count = on_disk(disk, count, offset);
  memcpy(shim.disks[disk] + offset, bytes, count);
  return (ssize_t)count;
}

int platform_disk_flush(unsigned disk) {
  if (disk != 0) abort();
  shim.disk_flushes++;
  return shim.disk_fails ? -5 : 0;
}

void platform_disk_forget(unsigned disk) {
  if (disk >= 2) abort();
}

void platform_set_alarm(uint64_t deadline_ns) { (void)deadline_ns; }

void platform_random(void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    ((uint8_t *)bytes)[i] = (uint8_t)(random_state >> 56);
  }
}

static void log_line(const char *format, va_list args) {
  size_t room = sizeof shim.log - shim.log_length;
  if (room < 2) return;
  int length = vsnprintf(shim.log + shim.log_length, room - 1, format, args);
  shim.log_length += (size_t)length < room - 1 ? (size_t)length : room - 2;
  shim.log[shim.log_length++] = '\n';
  shim.log[shim.log_length] = 0;
}

void platform_log(const char *format, ...) {
  va_list args;
  va_start(args, format);
  log_line(format, args);
  va_end(args);
}

void platform_exit(uint32_t status, uint32_t signal, uint32_t reason) {
  shim.status = status;
  shim.signal = signal;
  shim.reason = reason;
  leave(EXITED);
}

void platform_panic(const char *format, ...) {
  va_list args;
  va_start(args, format);
  log_line(format, args);
  va_end(args);
  leave(PANICKED);
}

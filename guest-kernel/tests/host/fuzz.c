/*
 * Random input, from a seed so that it can be replayed. `fuzz calls SEED COUNT` makes system calls with hostile
 * arguments in one kernel; `fuzz net` puts frames on the wire of one, `fuzz tty` types at its terminal; `fuzz elf` and
 * `fuzz cpio` boot COUNT kernels with a damaged program or archive. Whatever comes in, the kernel answers: it never faults
 * (the sanitizers see to it) and never breaks an invariant (a panic).
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../net/stack.h"
#include "../../personality/syscall.h"
#include "../../personality/tty.h"
#include "fixture.h"

#define MEMORY (16ul << 20)
#define CHOOSE(list) list[draw() % (sizeof list / sizeof list[0])]

static uint64_t state;

static uint64_t draw(void) { /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dull;
}

static uint8_t *memory; /* of the program: 256 KiB */
#define MEMORY_BYTES (256ul << 10)

static uint64_t pointer(void) {
  struct memory_window window = platform_memory();
  const uint64_t edges[] = {0, 1, 4096, 0x400000, 0x402ff8, 0x404000, 0x5fffffffe000, (uintptr_t)window.base, 1ull << 47,
                            (uintptr_t)window.base + window.size - 1, UINT64_MAX, UINT64_MAX - 4095, (uintptr_t)&state};
  if (draw() % 8 == 0) return CHOOSE(edges);
  if (draw() % 16 == 0) return (uintptr_t)window.base + draw() % window.size;
  return (uintptr_t)memory + draw() % MEMORY_BYTES;
}

static uint64_t number(void) {
  static const uint64_t edges[] = {0, 1, 2, 3, 7, 8, 16, 255, 256, 1023, 1024, 4095, 4096, 4097, 65536, 1 << 20, INT32_MAX,
                                   UINT32_MAX, INT64_MAX, UINT64_MAX, (uint64_t)INT64_MIN, (uint64_t)-100, 0x100000000};
  if (draw() % 3 == 0) return CHOOSE(edges);
  return draw() >> (draw() % 64);
}

#define SLOT_BYTES 256ul
#define SLOTS (MEMORY_BYTES / SLOT_BYTES)
enum slot { PATHS, TIMES, LISTS, FREE, SLOT_KINDS }; /* what a slot holds is its number modulo the kinds */

static uint64_t slot(enum slot kind) {
  return (uintptr_t)memory + (draw() % (SLOTS / SLOT_KINDS) * SLOT_KINDS + kind) * SLOT_BYTES;
}

static uint64_t argument(void) {
  switch (draw() % 12) {
    case 10: return 0;
    case 11: return 8; /* the size of a signal set */
    case 0: return pointer();
    case 1: return number();
    case 2:
    case 3:
    case 4: return draw() % 16; /* a descriptor, a small flag */
    case 5:
    case 6: return slot(PATHS);
    case 7: return slot(TIMES);
    case 8: return slot(LISTS);
    default: return slot(FREE);
  }
}

/* Something sensible in every slot: paths, times, vectors; noise in between. */
static void fill_memory(void) {
  static const char *const paths[] = {
    "/etc/motd", "/etc/link", "/", ".", "..", "/proc/self/fd/3", "/dev/zero", "/dev/urandom", "/empty", "/a/b/../c", "x",
    "y", "/tmp/x", "/tmp", "/proc/1/maps", "/proc/self/exe", "/dev/stdin", "/dev/vda", "/dev/vdb", "fifo", "d", "d/e", "",
  };
  for (size_t i = 0; i < SLOTS; i++) {
    uint8_t *at = memory + i * SLOT_BYTES;
    uint64_t words[SLOT_BYTES / 8];
    for (size_t j = 0; j < SLOT_BYTES / 8; j++) {
      bool even = j % 2 == 0;
      if (i % SLOT_KINDS == TIMES) words[j] = draw() % 4 ? draw() % 100 : number();
      else words[j] = even && draw() % 8 ? slot(FREE) : even ? pointer() : draw() % 4 ? draw() % 300 : number();
    }
    if (i % SLOT_KINDS == PATHS) strcpy((char *)at, CHOOSE(paths));
    else memcpy(at, words, sizeof words);
  }
}

/* The program's memory, anew when the program unmapped or protected some of it. */
static bool take_memory(void) {
  const uint64_t rights = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const uint64_t same[6] = {(uintptr_t)memory, MEMORY_BYTES, rights, flags | MAP_FIXED, (uint64_t)-1};
  const uint64_t other[6] = {0, MEMORY_BYTES, rights, flags, (uint64_t)-1};
  int64_t at = shim_call(SYS_mmap, same);
  if (at < 0 && at > -4096) at = shim_call(SYS_mmap, other);
  if (at < 0 && at > -4096) return false;
  memory = (uint8_t *)at;
  return true;
}

/* Reads a directory or a file of /proc from any position at all. Right after take_memory(): it writes a path. */
static void read_from_anywhere(void) {
  static const char *const places[] = {"/", "/etc", "/empty", "/proc", "/proc/self/fd", "/proc/self/maps", "/proc/stat"};
  strcpy((char *)memory, CHOOSE(places));
  const uint64_t open[6] = {(uintptr_t)memory};
  int64_t fd = shim_call(SYS_open, open);
  if (fd < 0) return;
  for (int i = 0; i < 4; i++) {
    const uint64_t seek[6] = {(uint64_t)fd, number(), draw() % 5};
    const uint64_t read[6] = {(uint64_t)fd, (uintptr_t)memory, draw() % 4096};
    static const long readers[] = {SYS_getdents64, SYS_getdents, SYS_read};
    shim_call(SYS_lseek, seek);
    if (shim.departure == STAYED) shim_call(CHOOSE(readers), read);
    if (shim.departure != STAYED) return;
  }
  const uint64_t close[6] = {(uint64_t)fd};
  shim_call(SYS_close, close);
}

static int panicked(uint64_t round, long call) {
  if (shim.departure == PANICKED) printf("call %lu (%ld) panicked: %s", (unsigned long)round, call, shim.log);
  return shim.departure == PANICKED;
}

static int fuzz_calls(uint64_t count) {
  if (fixture_boot(MEMORY, fixture_tree) != ENTERED || !take_memory()) return 1;
  uint64_t home = shim.stack;
  const uint64_t raw[6] = {2, 3, 1}, datagram[6] = {2, 2, 1};
  shim_call(SYS_socket, raw);
  shim_call(SYS_socket, datagram);
  for (uint64_t i = 0; i < count; i++) {
    if (i % 16 == 0) {
      if (!take_memory()) return 0; /* the program has filled the machine */
      shim_regs.rsp = home;
      read_from_anywhere();
      if (panicked(i, SYS_lseek)) return 1;
      fill_memory();
      shim_regs.rsp = draw() % 4 ? home : pointer();
    }
    uint64_t arguments[6];
    for (int j = 0; j < 6; j++) arguments[j] = argument();
    shim.output_length = shim.log_length = 0;
    shim.input = "some input for the program to read";
    shim.input_length = 34;
    long call = draw() % 16 ? (long)syscall_table[draw() % syscall_table_length].number : (long)(draw() % 600);
    shim_call(call, arguments);
    if (panicked(i, call)) return 1;
  }
  return 0;
}

/* Boots in a child, since a kernel boots once. */
static int boot_in_child(const uint8_t *cpio, size_t size, bool panic_is_fine, uint64_t round) {
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    static const char *argv[] = {"/prog"};
    struct program_args args = {.path = "/prog", .cwd = "/", .argc = 1, .argv = argv, .envp = argv};
    enum departure how = shim_boot(cpio, size, args, MEMORY);
    _exit(how == ENTERED || (how == EXITED && shim.log_length) || (how == PANICKED && panic_is_fine) ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  if (status) printf("round %lu: status 0x%x\n", (unsigned long)round, status);
  return status != 0;
}

static int fuzz_elf(uint64_t count) {
  for (uint64_t round = 0; round < count; round++) {
    uint8_t elf[ELF_BYTES];
    static struct archive archive;
    fixture_elf(elf);
    for (uint64_t i = 1 + draw() % 4; i > 0; i--) {
      /* Mostly whole fields of the two headers, with telling values. */
      size_t field = sizeof(Elf64_Ehdr) + draw() % (7 * ELF_SEGMENTS) * 8;
      uint64_t value = draw() % 2 ? number() : (number() & ~4095ull) + draw() % 2 * 0x400000;
      if (draw() % 3) memcpy(elf + field, &value, 8);
      else elf[draw() % (sizeof(Elf64_Ehdr) + ELF_SEGMENTS * sizeof(Elf64_Phdr))] = (uint8_t)draw();
    }
    archive.length = 0;
    archive_add(&archive, "prog", 0100755, elf, draw() % 8 ? sizeof elf : draw() % sizeof elf);
    archive_end(&archive);
    if (boot_in_child(archive.bytes, archive.length, false, round)) return 1;
  }
  return 0;
}

/* A few names that may come twice, of a few files, whose type may change from one name to the next. */
static void add_names(struct archive *archive) {
  static const char *const names[] = {"a", "b", "d/a", "etc/motd", "proc", "proc/1", "proc/1/fd", "proc/stat", "dev/null", "tmp"};
  static const uint32_t modes[] = {0100644, 0100644, 0100644, 0010644, 0120777, 0020666, 0140777, 0040755};
  for (uint64_t i = draw() % 8; i > 0; i--) {
    uint32_t mode = CHOOSE(modes);
    size_t size = mode == 0100644 || mode == 0120777 ? draw() % 8 : 0;
    archive_add_name(archive, 1 + (uint32_t)draw() % 3, 1 + (uint32_t)draw() % 3, CHOOSE(names), mode, "etc/motd", size);
  }
}

static int fuzz_cpio(uint64_t count) {
  for (uint64_t round = 0; round < count; round++) {
    static struct archive archive;
    archive.length = 0;
    add_names(&archive);
    fixture_tree(&archive);
    add_names(&archive);
    archive_end(&archive);
    for (uint64_t i = draw() % 6; i > 0; i--) {
      static const char telling[] = "00000ffff/.89abF\0";
      archive.bytes[draw() % archive.length] = draw() % 3 ? (uint8_t)CHOOSE(telling) : (uint8_t)draw();
    }
    /* On the heap and exactly as long as it is, so that reading past its end is seen. */
    size_t size = draw() % 4 ? archive.length : draw() % archive.length;
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, archive.bytes, size);
    int failed = boot_in_child(exact, size, true, round);
    free(exact);
    if (failed) return 1;
  }
  return 0;
}

/* --- the network --- */

static void take_frame(const void *frame, size_t length) {
  volatile uint8_t touch = length ? ((const uint8_t *)frame)[length - 1] : 0;
  if (length > FRAME_MAX) abort();
  (void)touch;
}

static size_t mostly_sound_frame(uint8_t frame[FRAME_MAX]) {
  static const uint8_t arp[] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9,
                                10, 77, 0, 7, 0, 0, 0, 0, 0, 0, 10, 77, 0, 2};
  static const uint8_t echo[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0,
                                 10, 77, 0, 7, 10, 77, 0, 2, 8, 0, 0, 0, 0, 5, 0, 1};
  bool is_echo = draw() % 2;
  size_t length = is_echo ? draw() % 4 ? 98 : draw() % (FRAME_MAX + 1) : sizeof arp;
  for (size_t i = 0; i < FRAME_MAX; i++) frame[i] = (uint8_t)draw();
  if (is_echo) memcpy(frame, echo, sizeof echo);
  else memcpy(frame, arp, sizeof arp);
  for (uint64_t i = draw() % 4; i > 0; i--) frame[12 + draw() % 40] = (uint8_t)draw();
  if (is_echo && draw() % 8) { /* checksums that let the damage through */
    size_t header = (frame[14] & 15u) * 4u, total = (size_t)frame[16] << 8 | frame[17];
    memset(frame + 24, 0, 2);
    uint16_t sum = checksum(frame + 14, header);
    memcpy(frame + 24, &sum, 2);
    if (header >= 20 && header + 8 <= total && total <= FRAME_MAX - 14) {
      memset(frame + 14 + header + 2, 0, 2);
      sum = checksum(frame + 14 + header, total - header);
      memcpy(frame + 14 + header + 2, &sum, 2);
    }
  }
  return draw() % 4 ? length : draw() % (length + 1);
}

/* Frames from a hostile wire, and text after ip= on a hostile command line. */
static int fuzz_net(uint64_t count) {
  if (fixture_boot(MEMORY, fixture_tree) != ENTERED || !take_memory()) return 1;
  const uint64_t raw[6] = {2, 3, 1}, datagram[6] = {2, 2, 1};
  uint64_t fd = (uint64_t)shim_call(SYS_socket, raw);
  shim_call(SYS_socket, datagram);
  net_link = (struct net_link){.transmit = take_frame, .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
  for (uint64_t i = 0; i < count; i++) {
    static const char letters[] = "0123456789.:: offdhcp";
    uint8_t frame[FRAME_MAX], *exact;
    struct net_settings settings;
    char *text = strdup("10.77.0.2::10.77.0.1:255.255.255.0:box:eth0:off");
    for (uint64_t j = draw() % 6; j > 0; j--) text[draw() % 46] = CHOOSE(letters);
    if (net_settings_parse(text, &settings) && draw() % 2) net_settings = settings;
    if (draw() % 2) net_settings_parse("10.77.0.2::10.77.0.1:255.255.255.0", &net_settings);
    free(text);

    size_t length = mostly_sound_frame(frame);
    exact = malloc(length ? length : 1);
    memcpy(exact, frame, length);
    net_frame_arrived(exact, length);
    free(exact);
    const uint64_t receive[6] = {fd + draw() % 2, (uintptr_t)memory, draw() % 2048, 0x40};
    shim_call(SYS_recvfrom, receive);
    if (panicked(i, SYS_recvfrom)) return 1;
  }
  return 0;
}

/* --- the terminal --- */

/* Any keys under any settings: what a read finds fits, and it never waits for what is there. */
static int fuzz_tty(uint64_t count) {
  static const char telling[] = "\x03\x04\x7f\x15\x16\x17\x1a\x1c\r\n\t \xc3\xa4";
  static char keys[5000];
  if (fixture_boot(MEMORY, fixture_tree) != ENTERED || !take_memory()) return 1;
  memset(memory, 255, 8);
  const uint64_t block[6] = {0 /* SIG_BLOCK */, (uintptr_t)memory, 0, 8};
  shim_call(SYS_rt_sigprocmask, block); /* or the first ^C ends it */
  shim.input_open = true;
  tty_start();
  for (uint64_t i = 0; i < count; i++) {
    if (draw() % 4 == 0) {
      tty_ioctl(TCGETS, (uintptr_t)memory);
      for (uint64_t j = draw() % 4; j > 0; j--) memory[draw() % 36] ^= (uint8_t)(1u << draw() % 8); /* of struct termios */
      tty_ioctl(draw() % 8 ? TCSETS : TCSETSF, (uintptr_t)memory);
    }
    const size_t typed = draw() % 32 ? draw() % 40 : draw() % sizeof keys;
    for (size_t j = 0; j < typed; j++) keys[j] = draw() % 3 ? CHOOSE(telling) : (char)draw();
    shim.input = keys;
    shim.input_length = typed;
    shim.output_length = 0;
    tty_take_input();
    shim.input_open = draw() % 1000 != 0 || i < count / 2;
    const bool readable = tty_readable();
    const size_t room = draw() % 8 ? 1 + draw() % 64 : 1 + draw() % 5000;
    char *exact = malloc(room);
    const ssize_t got = tty_read(exact, room, false);
    free(exact);
    if (got > (ssize_t)room || (readable && got == -EAGAIN) || panicked(i, SYS_read)) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  state = strtoull(argv[2], NULL, 0) * 2 + 1;
  uint64_t count = strtoull(argv[3], NULL, 0);
  if (!strcmp(argv[1], "calls")) return fuzz_calls(count);
  if (!strcmp(argv[1], "net")) return fuzz_net(count);
  if (!strcmp(argv[1], "tty")) return fuzz_tty(count);
  if (!strcmp(argv[1], "elf")) return fuzz_elf(count);
  return strcmp(argv[1], "cpio") ? 2 : fuzz_cpio(count);
}

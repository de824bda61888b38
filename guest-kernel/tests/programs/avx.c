/*
 * Vector registers belong to the program: distinct patterns in all of ymm0 to ymm15 outlive thousands of system calls
 * and the VM exits that they cause, first touches of memory, a signal handler that overwrites every one of them, and
 * whatever the host does meanwhile. Where the processor shows no AVX, it says so and checks xmm0 to xmm15.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

#define REGISTERS 16
#define WRITES 1000
#define SLEEPS 100
#define PAGES 2048
#define PAGE 4096
#define SIGNALS 200
#define SPINS 200
#define TURNS 1000000 /* of an empty loop, in which the host may stop and resume the VM */

typedef uint64_t registers_t[REGISTERS][4] __attribute__((aligned(32)));

static const uint8_t dot = '.';
static bool with_avx;
static size_t words = 2; /* of 64 bits in a register: 2 in xmm, 4 in ymm */

struct call {
  long number, a, b, c, turns;
};

#define EACH(op) \
  op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_YMM(n) "vmovdqa " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqa %%ymm" #n ", " #n "*32(%[out])\n"
#define LOAD_XMM(n) "movdqa " #n "*32(%[in]), %%xmm" #n "\n"
#define STORE_XMM(n) "movdqa %%xmm" #n ", " #n "*32(%[out])\n"
#define CLOBBERED \
  "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
    "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
/* Nothing of the C library, which uses these registers itself, runs between load and store. */
#define ACROSS(load, store) \
  __asm__ volatile(EACH(load) "movb $1, (%[touched])\n" \
                              "1: dec %[turns]\n" \
                              "jns 1b\n" \
                              "syscall\n" EACH(store) \
                   : "+a"(result), [turns] "+r"(call.turns) \
                   : [in] "r"(in), [out] "r"(out), [touched] "r"(touched), "D"(call.a), "S"(call.b), "d"(call.c) \
                   : CLOBBERED)

/* Fills the registers, stores a byte, turns, makes the system call, and puts what the registers then hold into `out`. */
__attribute__((target("avx"), noinline)) static long across_ymm(
  const registers_t in, registers_t out, struct call call, uint8_t *touched) {
  long result = call.number;
  ACROSS(LOAD_YMM, STORE_YMM);
  return result;
}

__attribute__((noinline)) static long across_xmm(
  const registers_t in, registers_t out, struct call call, uint8_t *touched) {
  long result = call.number;
  ACROSS(LOAD_XMM, STORE_XMM);
  return result;
}

static void fill(registers_t patterns, uint64_t seed) {
  for (size_t i = 0; i < REGISTERS; i++)
    for (size_t word = 0; word < 4; word++)
      patterns[i][word] = (seed + 1) * 0x9e3779b97f4a7c15ul ^ (i << 56 | word << 48);
}

static void check_across(struct call call, uint8_t *touched, long expected, uint64_t seed) {
  registers_t in, out;
  fill(in, seed);
  memset(out, 0, sizeof out);
  long result = (with_avx ? across_ymm : across_xmm)(in, out, call, touched);
  CHECK(result == expected);
  for (size_t i = 0; i < REGISTERS; i++) {
    if (!memcmp(in[i], out[i], words * sizeof(uint64_t))) continue;
    printf("FAIL register %zu after %lu calls: %016lx %016lx %016lx %016lx\n", i, seed, out[i][0], out[i][1], out[i][2],
      out[i][3]);
    exit(1);
  }
}

__attribute__((target("avx"))) static void overwrite_ymm(void) {
  __asm__ volatile("vzeroall" : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static volatile unsigned handled;
static void overwrite(int signo) {
  registers_t ones, out;
  memset(ones, 0xff, sizeof ones);
  if (with_avx) overwrite_ymm();
  (with_avx ? across_ymm : across_xmm)(ones, out, (struct call){.number = SYS_getpid}, (uint8_t *)out);
  handled++;
}

int main(void) {
  uint8_t *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  with_avx = __builtin_cpu_supports("avx"); /* CPUID, and XGETBV: the kernel has to have enabled it */
  if (with_avx) words = 4;

  setvbuf(stdout, NULL, _IOLBF, 0);
  puts(with_avx ? "PASS AVX is enabled" : "PASS no AVX, SSE alone");

  for (uint64_t i = 0; i < PAGES; i++)
    check_across((struct call){.number = SYS_getppid}, pages + i * PAGE, getppid(), i);
  PASS("first touches of memory");

  for (uint64_t i = 0; i < WRITES; i++)
    check_across((struct call){SYS_write, STDERR_FILENO, (long)&dot, 1}, pages, 1, i);
  PASS("writes to the console");

  const struct timespec moment = {.tv_nsec = 10000};
  for (uint64_t i = 0; i < SLEEPS; i++)
    check_across((struct call){SYS_nanosleep, (long)&moment}, pages, 0, i);
  PASS("sleeps");

  const struct sigaction action = {.sa_handler = overwrite};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  for (uint64_t i = 0; i < SIGNALS; i++) check_across((struct call){SYS_kill, getpid(), SIGUSR1}, pages, 0, i);
  CHECK(handled == SIGNALS);
  PASS("signals");

  for (uint64_t i = 0; i < SPINS; i++)
    check_across((struct call){.number = SYS_getppid, .turns = TURNS}, pages, getppid(), i);
  PASS("a loop without system calls");
  return 0;
}

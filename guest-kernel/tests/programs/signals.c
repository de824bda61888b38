/* Handlers, masks, alternate stacks, faults, timers, and vector registers that survive a handler. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t got, where_is_stack_ok;
static siginfo_t last;
static sigjmp_buf recovery;
static char alternate[65536];

static void count(int signo) { got += signo == SIGUSR1 || signo == SIGALRM; }

static void remember(int signo, siginfo_t *info, void *context) {
  (void)context;
  last = *info;
  got = signo;
}

static void recover(int signo, siginfo_t *info, void *context) {
  (void)context;
  char here;
  last = *info;
  where_is_stack_ok = &here >= alternate && &here < alternate + sizeof alternate;
  siglongjmp(recovery, signo);
}

static void install(int signo, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  CHECK(sigaction(signo, &action, NULL) == 0);
}

static void handlers(void) {
  signal(SIGUSR1, count);
  got = 0;
  raise(SIGUSR1);
  CHECK(got == 1);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  raise(SIGUSR1);
  CHECK(got == 1);
  sigpending(&set);
  CHECK(sigismember(&set, SIGUSR1));
  sigprocmask(SIG_SETMASK, &old, NULL);
  CHECK(got == 2);
  install(SIGUSR2, remember, 0);
  CHECK(kill(getpid(), SIGUSR2) == 0 && got == SIGUSR2 && last.si_signo == SIGUSR2 && last.si_pid == getpid());
  union sigval value = {.sival_int = 42};
  CHECK(sigqueue(getpid(), SIGUSR2, value) == 0 && last.si_code == SI_QUEUE && last.si_value.sival_int == 42);
  PASS("handlers and masks");
}

static void spoil(int signo) {
  (void)signo;
  volatile double x = 3.0;
  __m128 zero = _mm_set1_ps((float)x);
  __asm__ volatile("movaps %0, %%xmm0; movaps %0, %%xmm7; movaps %0, %%xmm15" : : "x"(zero) : "xmm0", "xmm7", "xmm15");
  if (__builtin_cpu_supports("avx")) __asm__ volatile("vxorps %%ymm3, %%ymm3, %%ymm3" : : : "xmm3");
  __asm__ volatile("fninit");
}

static void vectors(void) {
  signal(SIGUSR1, spoil);
  __m128i value = _mm_set_epi32(1, 2, 3, 4), after;
  long pid = getpid();
  __asm__ volatile("movdqa %1, %%xmm7\n\tmov %2, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall\n\tmovdqa %%xmm7, %0"
                   : "=x"(after)
                   : "x"(value), "r"((int)pid)
                   : "rax", "rdi", "rsi", "rcx", "r11", "xmm7", "memory");
  CHECK(!memcmp(&value, &after, sizeof value));
  if (__builtin_cpu_supports("avx")) {
    static const long ones[4] = {11, 22, 33, 44};
    static long back[4];
    __asm__ volatile("vmovdqu %1, %%ymm3\n\tmov %2, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall\n\tvmovdqu %%ymm3, %0"
                     : "=m"(back)
                     : "m"(ones), "r"((int)pid)
                     : "rax", "rdi", "rsi", "rcx", "r11", "xmm3", "memory");
    CHECK(!memcmp(ones, back, sizeof ones));
  }
  volatile long double pi = 3.14159L, twice = pi;
  raise(SIGUSR1);
  CHECK(pi + twice > 6.28L);
  PASS("vector registers survive a handler");
}

static void faults(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  CHECK(sigaltstack(&stack, NULL) == 0);
  install(SIGSEGV, recover, SA_ONSTACK);
  install(SIGFPE, recover, SA_ONSTACK);
  install(SIGILL, recover, SA_ONSTACK);
  if (!sigsetjmp(recovery, 1)) {
    *(volatile int *)0x1234 = 1;
    CHECK(!"reached");
  }
  CHECK(last.si_signo == SIGSEGV && last.si_addr == (void *)0x1234 && last.si_code == SEGV_MAPERR && where_is_stack_ok);
  if (!sigsetjmp(recovery, 1)) {
    *(volatile char *)(void *)faults = 1;
    CHECK(!"reached");
  }
  CHECK(last.si_signo == SIGSEGV && last.si_addr == (void *)faults && last.si_code == SEGV_ACCERR);
  if (!sigsetjmp(recovery, 1)) {
    __asm__ volatile("xor %%ecx, %%ecx\n\tmov $1, %%eax\n\tcltd\n\tidiv %%ecx" : : : "eax", "ecx", "edx", "cc");
    CHECK(!"reached");
  }
  CHECK(last.si_signo == SIGFPE && last.si_code == FPE_INTDIV);
  if (!sigsetjmp(recovery, 1)) __asm__ volatile("ud2");
  CHECK(last.si_signo == SIGILL);
  PASS("faults become signals");
}

static int dive(int depth) {
  volatile char block[4096];
  block[depth % 4096] = (char)depth;
  return depth > 100000000 ? 0 : dive(depth + 1) + block[1];
}

static void overflow(void) {
  install(SIGSEGV, recover, SA_ONSTACK);
  int signo = sigsetjmp(recovery, 1);
  if (!signo) dive(0);
  CHECK(signo == SIGSEGV && where_is_stack_ok);
  signal(SIGSEGV, SIG_DFL);
  PASS("a stack overflow is a SIGSEGV on the alternate stack");
}

static void timers(void) {
  signal(SIGALRM, count);
  got = 0;
  struct itimerval every = {.it_interval = {0, 20000}, .it_value = {0, 20000}}, off = {0};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  while (got < 3) __asm__ volatile("" : : : "memory"); /* computing: only an interrupt can end this */
  CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
  struct timespec long_time = {100, 0}, left = {0, 0};
  every = (struct itimerval){.it_value = {0, 50000}};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR && left.tv_sec >= 90);
  alarm(100);
  CHECK(alarm(0) >= 99);
  PASS("timers interrupt computing and sleeping");
}

static int ends[2];

static void feed(int signo) {
  (void)signo;
  CHECK(write(ends[1], "x", 1) == 1);
}

static void restart(void) {
  char byte = 0;
  CHECK(pipe(ends) == 0);
  struct sigaction action = {.sa_handler = feed, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval once = {.it_value = {0, 30000}};
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
  action.sa_flags = 0;
  action.sa_handler = count;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
  PASS("reads are restarted with SA_RESTART and interrupted without");
}

static void waiting(void) {
  sigset_t set, none;
  signal(SIGALRM, count);
  sigemptyset(&none);
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct itimerval once = {.it_value = {0, 20000}};
  got = 0;
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(sigsuspend(&none) == -1 && errno == EINTR && got == 1);
  siginfo_t info;
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(sigwaitinfo(&set, &info) == SIGALRM && got == 1);
  struct timespec short_time = {0, 10000000};
  CHECK(sigtimedwait(&set, &info, &short_time) == -1 && errno == EAGAIN);
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  PASS("sigsuspend and sigtimedwait");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  handlers();
  vectors();
  faults();
  overflow();
  restart();
  waiting();
  timers();
  return 0;
}

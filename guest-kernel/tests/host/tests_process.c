/* Identity, time, signals. */
#include "test.h"

#include <linux/futex.h>

static void initial_stack(void) {
  struct memory_window window = platform_memory();
  (void)window;
  CHECK(shim.stack % 16 == 0);
  /* The kernel reads the program's stack for us: as a write to stdout. */
  CHECK(CALL(SYS_write, 1, shim.stack, 0x5ffffffff000 - shim.stack) > 0);
  const uint64_t *words = (const uint64_t *)shim.output;
#define TEXT(address) ((const char *)shim.output + ((address) - shim.stack))
  CHECK(words[0] == 2 && !strcmp(TEXT(words[1]), "prog") && !strcmp(TEXT(words[2]), "argument") && !words[3]);
  CHECK(!strcmp(TEXT(words[4]), "PATH=/bin") && !strcmp(TEXT(words[5]), "HOSTNAME=box") && !words[6]);
  uint64_t seen[64] = {0};
  for (const uint64_t *at = words + 7; at[0]; at += 2)
    if (at[0] < 64) seen[at[0]] = at[1];
  CHECK(seen[3] == 0x400040 && seen[4] == 56 && seen[5] == ELF_SEGMENTS && seen[6] == 4096 && seen[9] == 0x400100);
  CHECK(!strcmp(TEXT(seen[31]), "/prog") && !strcmp(TEXT(seen[15]), "x86_64"));
  CHECK(seen[17] == 100 && seen[25] && seen[51] > 500);
#undef TEXT
}

static void unsupported_calls(void) {
  CHECK(CALL(SYS_fork) == -ENOSYS && CALL(SYS_vfork) == -ENOSYS && CALL(SYS_clone, 0) == -ENOSYS);
  CHECK(CALL(SYS_execve, path("/prog"), 0, 0) == -ENOSYS);
  CHECK(CALL(SYS_execve, path("/none"), 0, 0) == -ENOENT && CALL(SYS_execve, path("/etc/motd"), 0, 0) == -EACCES);
  CHECK(CALL(SYS_socket, 2, 1, 0) == -ENOSYS);
  CHECK(CALL(9999) == -ENOSYS && CALL(-1) == -ENOSYS && CALL(SYS_fork) == -ENOSYS);
  const char *first = strstr(shim.log, "fork (57)");
  CHECK(first && !strstr(first + 1, " fork (57)"));
  CHECK(strstr(shim.log, "execve (59)") && strstr(shim.log, "socket (41)"));
}

static void identity(void) {
  CHECK(CALL(SYS_getpid) == 1 && CALL(SYS_getppid) == 0 && CALL(SYS_gettid) == 1 && CALL(SYS_getuid) == 0);
  struct utsname *names = (struct utsname *)buffer();
  CHECK(CALL(SYS_uname, P(names)) == 0);
  CHECK(!strcmp(names->sysname, "Linux") && !strcmp(names->nodename, "box") && !strcmp(names->machine, "x86_64"));
  CHECK(!strcmp(names->release, "6.1.0-cloister-unikernel"));
  CHECK(CALL(SYS_wait4, (uint64_t)-1, 0, 0, 0) == -ECHILD);
  CHECK(CALL(SYS_kill, 2, 0) == -ESRCH && CALL(SYS_kill, 1, 65) == -EINVAL && CALL(SYS_kill, 1, 0) == 0);
}

static void time_passes(void) {
  struct timespec *time = (struct timespec *)scratch;
  *time = (struct timespec){2, 500000000};
  uint64_t before = shim.monotonic_ns;
  CHECK(CALL(SYS_nanosleep, P(time), 0) == 0);
  CHECK(shim.monotonic_ns - before >= 2500000000 && shim.monotonic_ns - before < 2600000000);
  time->tv_nsec = 1000000000;
  CHECK(CALL(SYS_nanosleep, P(time), 0) == -EINVAL);
  *time = (struct timespec){-1, 0};
  CHECK(CALL(SYS_nanosleep, P(time), 0) == -EINVAL);
  CHECK(CALL(SYS_clock_gettime, CLOCK_REALTIME, P(time)) == 0 && time->tv_sec >= 1700000000);
  CHECK(CALL(SYS_clock_gettime, 77, P(time)) == -EINVAL);
}

static void exits(void) {
  CALL(SYS_exit_group, 0x1ff);
  CHECK(shim.departure == EXITED && shim.status == 0xff && shim.signal == 0 && shim.reason == CLOISTER_EXIT_PROGRAM);
}

static void install(int signo, uint64_t handler, uint64_t flags, uint64_t mask) {
  const uint64_t action[4] = {handler, flags | 0x04000000, 0x400200, mask};
  memcpy(scratch + 12288, action, sizeof action);
  CHECK(CALL(SYS_rt_sigaction, (uint64_t)signo, P(scratch + 12288), 0, 8) == 0);
}

static void handlers_run_and_return(void) {
  install(SIGUSR1, 0x400180, SA_SIGINFO, 0);
  uint64_t rip = shim_regs.rip, rsp = shim_regs.rsp;
  shim_regs.r12 = 1234;
  CHECK(CALL(SYS_kill, 1, SIGUSR1) == 0);
  rip += 2;
  CHECK(shim_regs.rip == 0x400180 && shim_regs.rdi == SIGUSR1 && shim_regs.rsp % 16 == 8 && shim_regs.rsp < rsp - 128);
  CHECK(shim_regs.rsi > shim_regs.rsp && shim_regs.rdx > shim_regs.rsp);
  uint64_t *mask = (uint64_t *)scratch;
  uint64_t frame = shim_regs.rsp;
  CHECK(CALL(SYS_rt_sigprocmask, SIG_BLOCK, 0, P(mask), 8) == 0 && *mask == 1ul << (SIGUSR1 - 1));
  CHECK(CALL(SYS_kill, 1, SIGUSR1) == 0 && shim_regs.rsp == frame);
  shim_regs.r12 = 0;
  shim_regs.rsp += 8; /* the handler's ret */
  CALL(SYS_rt_sigreturn);
  /* The second one waited for the first to return. */
  CHECK(shim_regs.rip == 0x400180 && shim_regs.rsp == frame);
  shim_regs.rsp += 8;
  CALL(SYS_rt_sigreturn);
  CHECK(shim_regs.rip == rip && shim_regs.rsp == rsp && shim_regs.r12 == 1234 && shim_regs.rax == 0);
  CHECK(CALL(SYS_rt_sigprocmask, SIG_BLOCK, 0, P(mask), 8) == 0 && *mask == 0);
}

static void default_actions(void) {
  CHECK(CALL(SYS_kill, 1, SIGCHLD) == 0 && CALL(SYS_kill, 1, SIGTSTP) == 0 && shim.departure == STAYED);
  CALL(SYS_kill, 1, SIGTERM);
  CHECK(shim.departure == EXITED && shim.status == 143 && shim.signal == SIGTERM);
}

static void signals_interrupt_sleep(void) {
  struct timespec *time = (struct timespec *)scratch;
  install(SIGALRM, 0x400180, 0, 0);
  CHECK(CALL(SYS_alarm, 1) == 0);
  *time = (struct timespec){10, 0};
  uint64_t before = shim.monotonic_ns;
  CALL(SYS_nanosleep, P(time), P(time + 1));
  CHECK(shim_regs.rip == 0x400180 && shim.monotonic_ns - before < 2000000000);
  CHECK(time[1].tv_sec == 8 || time[1].tv_sec == 9);
  shim_regs.rsp += 8;
  CHECK(CALL(SYS_rt_sigreturn) == -EINTR);
  CHECK(CALL(SYS_alarm, 0) == 0);
}

static void restarts(void) {
  int *ends = (int *)scratch;
  CHECK(CALL(SYS_pipe2, P(ends), 0) == 0);
  int reader = ends[0];
  install(SIGALRM, 0x400180, SA_RESTART, 0);
  CHECK(CALL(SYS_alarm, 1) == 0);
  uint64_t rip = shim_regs.rip;
  CALL(SYS_read, (uint64_t)reader, P(buffer()), 1);
  CHECK(shim_regs.rip == 0x400180);
  shim_regs.rsp += 8;
  CHECK(CALL(SYS_rt_sigreturn) == SYS_read && shim_regs.rip == rip); /* at its `syscall` again */
  install(SIGALRM, 0x400180, 0, 0);
  CHECK(CALL(SYS_alarm, 1) == 0);
  CALL(SYS_read, (uint64_t)reader, P(buffer()), 1);
  shim_regs.rsp += 8;
  CHECK(CALL(SYS_rt_sigreturn) == -EINTR);
}

static void waits_for_signals(void) {
  uint64_t *set = (uint64_t *)scratch;
  *set = 1ul << (SIGUSR1 - 1);
  CHECK(CALL(SYS_rt_sigprocmask, SIG_BLOCK, P(set), 0, 8) == 0);
  personality_signal_arrived(SIGUSR1);
  CHECK(CALL(SYS_rt_sigpending, P(set + 1), 8) == 0 && set[1] == set[0]);
  CHECK(CALL(SYS_rt_sigtimedwait, P(set), P(buffer()), 0, 8) == SIGUSR1);
  CHECK(*(int *)buffer() == SIGUSR1);
  set[2] = set[3] = 0;
  CHECK(CALL(SYS_rt_sigtimedwait, P(set), 0, P(set + 2), 8) == -EAGAIN);
  CALL(SYS_pause);
  CHECK(shim.departure == SLEPT_FOR_EVER);
}

static void faults_are_signals(void) {
  install(SIGSEGV, 0x400180, SA_SIGINFO, 0);
  uint64_t rsp = shim_regs.rsp;
  personality_fault(&shim_regs, 14, 6, 0x1234);
  personality_deliver_signals(&shim_regs);
  CHECK(shim_regs.rip == 0x400180 && shim_regs.rdi == SIGSEGV && shim_regs.rsp < rsp);
  CHECK(CALL(SYS_write, 1, shim_regs.rsi, sizeof(siginfo_t)) > 0);
  const siginfo_t *info = (const siginfo_t *)shim.output;
  CHECK(info->si_signo == SIGSEGV && info->si_code == SEGV_MAPERR && info->si_addr == (void *)0x1234);
  if (!setjmp(shim.back)) personality_fault(&shim_regs, 14, 6, 0x1234); /* blocked while its handler runs */
  CHECK(shim.departure == EXITED && shim.status == 139);
}

static void forged_frames(void) {
  install(SIGUSR1, 0x400180, 0, 0);
  CHECK(CALL(SYS_kill, 1, SIGUSR1) == 0);
  uint64_t frame = shim_regs.rsp;
  (void)frame;
  shim_regs.rsp = P(buffer()) + 8; /* a frame of zeroes: rip 0, no FPU state */
  memset(buffer(), 0, 4096);
  CALL(SYS_rt_sigreturn);
  CHECK(shim_regs.rip == 0 && shim_regs.cs == 0x33 && shim_regs.ss == 0x2b && shim_regs.rflags & 0x200);
  /* MXCSR, XSTATE_BV and the rest all ones: restored as far as the processor allows, without a fault. */
  memset(buffer(), 0xff, 8192);
  uint64_t *context = (uint64_t *)(buffer() + 8);
  context[5 + 16] = 0x400100;                                   /* rip */
  context[5 + 23] = (P(buffer()) + 1024 + 63) & ~63ul;          /* fpstate */
  shim_regs.rsp = P(buffer()) + 8;
  CALL(SYS_rt_sigreturn);
  CHECK(shim.departure == STAYED && shim_regs.rip == 0x400100 && !(shim_regs.rflags & 0x3000));
  context[5 + 16] = 1ul << 50;
  shim_regs.rsp = P(buffer()) + 8;
  CALL(SYS_rt_sigreturn);
  CHECK(shim.departure == EXITED && shim.signal == SIGSEGV);
}

static void no_stack_for_handler(void) {
  install(SIGUSR1, 0x400180, 0, 0);
  shim_regs.rsp = 0x10000;
  CALL(SYS_kill, 1, SIGUSR1);
  CHECK(shim.departure == EXITED && shim.signal == SIGSEGV);
}

static void alternate_stack(void) {
  stack_t *stack = (stack_t *)scratch;
  *stack = (stack_t){.ss_sp = buffer(), .ss_size = 32768};
  CHECK(CALL(SYS_sigaltstack, P(stack), P(stack + 1)) == 0 && stack[1].ss_flags == SS_DISABLE);
  install(SIGUSR1, 0x400180, SA_ONSTACK, 0);
  uint64_t rsp = shim_regs.rsp;
  CHECK(CALL(SYS_kill, 1, SIGUSR1) == 0);
  CHECK(shim_regs.rsp - P(buffer()) < 32768);
  CHECK(CALL(SYS_sigaltstack, P(stack), 0) == -EPERM);
  shim_regs.rsp += 8;
  CALL(SYS_rt_sigreturn);
  CHECK(shim_regs.rsp == rsp);
  stack->ss_size = 100;
  CHECK(CALL(SYS_sigaltstack, P(stack), 0) == -ENOMEM);
}

static void futexes(void) {
  uint32_t *word = (uint32_t *)buffer();
  struct timespec *time = (struct timespec *)scratch;
  *word = 5;
  *time = (struct timespec){1, 0};
  CHECK(CALL(SYS_futex, P(word), FUTEX_WAKE, 1) == 0);
  CHECK(CALL(SYS_futex, P(word), FUTEX_WAIT, 4, 0) == -EAGAIN);
  CHECK(CALL(SYS_futex, P(word), FUTEX_WAIT, 5, P(time)) == -ETIMEDOUT);
  CHECK(CALL(SYS_futex, P(word), FUTEX_WAIT, 5, 0) == -EDEADLK);
  CHECK(CALL(SYS_futex, P(word) + 1, FUTEX_WAIT, 5, 0) == -EINVAL);
}

const struct test process_tests[] = {
  {"the first stack holds arguments, environment and the auxiliary vector", initial_stack},
  {"what is not supported is ENOSYS, named once on the log", unsupported_calls},
  {"the program is process 1 of a machine that calls itself Linux", identity},
  {"clocks tell the time, and sleeping lasts as long as asked", time_passes},
  {"exit_group ends the machine with the low byte of the status", exits},
  {"a handler runs on a frame and returns to where it came from", handlers_run_and_return},
  {"signals without a handler end the program, or are ignored, by their default", default_actions},
  {"a signal ends a sleep, which says what was left", signals_interrupt_sleep},
  {"SA_RESTART restarts a read, and without it the read is EINTR", restarts},
  {"blocked signals wait, and sigtimedwait takes them", waits_for_signals},
  {"a CPU fault is a signal with its address, and one in its own handler is the end", faults_are_signals},
  {"a forged signal frame changes nothing that is not the program's", forged_frames},
  {"a handler without room for its frame is SIGSEGV", no_stack_for_handler},
  {"a handler may run on the alternate stack", alternate_stack},
  {"a futex that nobody could wake does not wait for ever", futexes},
  {0},
};

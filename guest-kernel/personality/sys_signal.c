/* The signal calls: handlers, masks, waiting, sending to oneself. */
#include "clock.h"
#include "memory.h"
#include "process.h"
#include "signal.h"
#include "syscall.h"

#define MASK_BYTES sizeof(uint64_t)
#define UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

int64_t sys_rt_sigaction(const uint64_t arg[6]) {
  int signo = (int)arg[0];
  struct signal_action action;
  if (arg[3] != MASK_BYTES || signo < 1 || signo > SIGNAL_COUNT) return -EINVAL;
  struct signal_action before = signals.actions[signo];
  if (arg[1]) {
    if (signo == SIGKILL || signo == SIGSTOP) return -EINVAL;
    if (copy_from_user(&action, arg[1], sizeof action)) return -EFAULT;
    action.mask &= ~UNBLOCKABLE;
    signals.actions[signo] = action;
  }
  return arg[2] ? copy_to_user(arg[2], &before, sizeof before) : 0;
}

int64_t sys_rt_sigprocmask(const uint64_t arg[6]) {
  uint64_t before = signals.blocked, set;
  if (arg[3] != MASK_BYTES) return -EINVAL;
  if (arg[1]) {
    if (copy_from_user(&set, arg[1], sizeof set)) return -EFAULT;
    switch ((int)arg[0]) {
      case SIG_BLOCK: set = before | set; break;
      case SIG_UNBLOCK: set = before & ~set; break;
      case SIG_SETMASK: break;
      default: return -EINVAL;
    }
    signals.blocked = set & ~UNBLOCKABLE;
  }
  return arg[2] ? copy_to_user(arg[2], &before, sizeof before) : 0;
}

int64_t sys_rt_sigpending(const uint64_t arg[6]) {
  if (arg[1] > MASK_BYTES) return -EINVAL;
  signal_pending();
  uint64_t set = signals.pending & signals.blocked;
  return copy_to_user(arg[0], &set, arg[1]);
}

/* Sleeps until a signal is delivered. Nothing else ends it. */
static int64_t wait_for_signal(void) {
  int error;
  do error = signal_sleep(UINT64_MAX, 0);
  while (!error);
  return error;
}

int64_t sys_pause(const uint64_t arg[6]) {
  (void)arg;
  return wait_for_signal();
}

int64_t sys_rt_sigsuspend(const uint64_t arg[6]) {
  uint64_t mask;
  if (arg[1] != MASK_BYTES) return -EINVAL;
  if (copy_from_user(&mask, arg[0], sizeof mask)) return -EFAULT;
  signal_mask_for_now(mask);
  return wait_for_signal();
}

/* Takes one of the signals in `set` without delivering it. */
int64_t sys_rt_sigtimedwait(const uint64_t arg[6]) {
  uint64_t set, duration, deadline = UINT64_MAX;
  if (arg[3] != MASK_BYTES) return -EINVAL;
  if (copy_from_user(&set, arg[0], sizeof set)) return -EFAULT;
  if (arg[2]) {
    int error = clock_read_timespec(arg[2], &duration);
    if (error) return error;
    deadline = clock_deadline(duration);
  }
  set &= ~UNBLOCKABLE;
  uint64_t blocked = signals.blocked;
  for (;;) {
    signal_pending();
    uint64_t waiting = signals.pending & set;
    if (waiting) {
      int signo = __builtin_ctzll(waiting) + 1;
      signals.pending &= ~SIGNAL_BIT(signo);
      return arg[1] && copy_to_user(arg[1], &signals.info[signo], sizeof(siginfo_t)) ? -EFAULT : signo;
    }
    if (deadline <= platform_monotonic_ns()) return -EAGAIN;
    signals.blocked = blocked & ~set; /* so that they end the sleep */
    int error = signal_sleep(deadline, 0);
    signals.blocked = blocked;
    if (error && !(signals.pending & set)) return error;
  }
}

int64_t sys_rt_sigreturn(const uint64_t arg[6]) {
  (void)arg;
  if (signal_pop_frame(syscall_regs)) {
    platform_log("rt_sigreturn: no frame at rsp 0x%lx", (unsigned long)syscall_regs->rsp);
    signal_terminate(SIGSEGV);
  }
  return (int64_t)syscall_regs->rax;
}

int64_t sys_sigaltstack(const uint64_t arg[6]) {
  stack_t stack, before = signals.alternate;
  bool running = syscall_regs->rsp - (uintptr_t)before.ss_sp < before.ss_size;
  unsigned flags = ((unsigned)before.ss_flags & SS_AUTODISARM) | (running ? SS_ONSTACK : 0);
  before.ss_flags = before.ss_size ? (int)flags : SS_DISABLE;
  if (arg[0]) {
    if (copy_from_user(&stack, arg[0], sizeof stack)) return -EFAULT;
    if (running) return -EPERM;
    unsigned mode = (unsigned)stack.ss_flags & ~SS_AUTODISARM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return -EINVAL;
    if (mode != SS_DISABLE && stack.ss_size < MINSIGSTKSZ) return -ENOMEM;
    if (mode == SS_DISABLE) stack = (stack_t){0};
    signals.alternate = stack;
  }
  return arg[1] ? copy_to_user(arg[1], &before, sizeof before) : 0;
}

/* The only process is 1; its group is 1 too. */
static int64_t send(int pid, int signo, const siginfo_t *info) {
  if (signo < 0 || signo > SIGNAL_COUNT) return -EINVAL;
  if (pid != PROCESS_ID && pid != 0 && pid != -1 && pid != -PROCESS_ID) return -ESRCH;
  if (signo) signal_raise_info(signo, info);
  return 0;
}

static siginfo_t info_from_self(int signo, int code) {
  siginfo_t info = {.si_signo = signo, .si_code = code};
  info.si_pid = PROCESS_ID;
  info.si_uid = process.uid;
  return info;
}

int64_t sys_kill(const uint64_t arg[6]) {
  siginfo_t info = info_from_self((int)arg[1], SI_USER);
  if ((int)arg[0] == -1) return -ESRCH; /* everyone but process 1 and oneself: nobody */
  return send((int)arg[0], (int)arg[1], &info);
}

int64_t sys_tkill(const uint64_t arg[6]) {
  siginfo_t info = info_from_self((int)arg[1], SI_TKILL);
  return (int)arg[0] <= 0 ? -EINVAL : send((int)arg[0], (int)arg[1], &info);
}

int64_t sys_tgkill(const uint64_t arg[6]) {
  siginfo_t info = info_from_self((int)arg[2], SI_TKILL);
  if ((int)arg[0] <= 0 || (int)arg[1] <= 0) return -EINVAL;
  return (int)arg[0] != PROCESS_ID ? -ESRCH : send((int)arg[1], (int)arg[2], &info);
}

int64_t sys_rt_sigqueueinfo(const uint64_t arg[6]) {
  siginfo_t info;
  if (copy_from_user(&info, arg[2], sizeof info)) return -EFAULT;
  info.si_signo = (int)arg[1];
  return (int)arg[0] != PROCESS_ID ? -ESRCH : send((int)arg[0], (int)arg[1], &info);
}

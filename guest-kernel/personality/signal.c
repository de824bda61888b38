/*
 * Which signals wait, and what becomes of them on the way back to the program: dropped, its end, or a handler.
 * Actions without a second process to act on them (stop) are accepted and said on the log.
 */
#include "signal.h"
#include "tty.h"
#include "syscall.h"

struct signal_state signals;
static uint64_t arrived; /* from the host, set in interrupt context */

#define UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define DEFAULT_IGNORE (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH))
#define DEFAULT_STOP (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

static const uint64_t handler_default = 0, handler_ignore = 1;

void personality_signal_arrived(int signo) {
  if (signo >= 1 && signo <= SIGNAL_COUNT) __atomic_fetch_or(&arrived, SIGNAL_BIT(signo), __ATOMIC_SEQ_CST);
}

static bool is_ignored(int signo) {
  uint64_t handler = signals.actions[signo].handler;
  return handler == handler_ignore || (handler == handler_default && DEFAULT_IGNORE & SIGNAL_BIT(signo));
}

void signal_raise_info(int signo, const siginfo_t *info) {
  if (is_ignored(signo) && !(signals.blocked & SIGNAL_BIT(signo))) return;
  if (signals.pending & SIGNAL_BIT(signo)) return;
  signals.info[signo] = *info;
  signals.pending |= SIGNAL_BIT(signo);
}

void signal_raise(int signo) {
  siginfo_t info = {.si_signo = signo, .si_code = SI_USER};
  info.si_pid = 1;
  signal_raise_info(signo, &info);
}

void signal_collect(void) {
  uint64_t fresh = __atomic_exchange_n(&arrived, 0, __ATOMIC_SEQ_CST);
  for (int signo = 1; fresh; signo++, fresh >>= 1) {
    siginfo_t info = {.si_signo = signo, .si_code = SI_USER};
    if (fresh & 1) signal_raise_info(signo, &info);
  }
}

static uint64_t deliverable(uint64_t set) { return set & (~signals.blocked | UNBLOCKABLE); }

bool personality_signal_pending(void) {
  tty_take_input(); /* a key may have been one that sends a signal */
  uint64_t set = deliverable(signals.pending | __atomic_load_n(&arrived, __ATOMIC_SEQ_CST));
  for (int signo = 1; set; signo++, set >>= 1)
    if (set & 1 && !is_ignored(signo)) return true;
  return false;
}

bool signal_pending(void) {
  signal_collect();
  timer_check();
  return personality_signal_pending();
}

bool signal_handlers_exist(void) {
  for (int signo = 1; signo <= SIGNAL_COUNT; signo++)
    if (signals.actions[signo].handler > handler_ignore) return true;
  return false;
}

int signal_sleep(uint64_t deadline_ns, unsigned wake) {
  for (;;) {
    if (signal_pending()) return -EINTR;
    uint64_t timer = timer_next();
    uint64_t until = timer < deadline_ns ? timer : deadline_ns;
    int error = platform_sleep_until(until, wake);
    timer_arm_again();
    if (signal_pending()) return -EINTR;
    if (error) continue; /* it was taken back, or is ignored by now */
    if (until == deadline_ns || platform_monotonic_ns() < until) return 0;
  }
}

void signal_mask_for_now(uint64_t mask) {
  if (!signals.restore_mask) signals.saved_mask = signals.blocked;
  signals.restore_mask = true;
  signals.blocked = mask & ~UNBLOCKABLE;
}

void signal_terminate(int signo) {
  platform_exit(128u + (uint32_t)signo, (uint32_t)signo, CLOISTER_EXIT_PROGRAM);
}

/* Faults come before what others sent, lowest number first after that. */
static int next_signal(void) {
  const uint64_t faults =
    SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGTRAP);
  uint64_t set = deliverable(signals.pending);
  if (set & faults) set &= faults;
  if (!set) return 0;
  int signo = __builtin_ctzll(set) + 1;
  signals.pending &= ~SIGNAL_BIT(signo);
  return signo;
}

static void restart_system_call(struct program_regs *regs) {
  regs->rax = regs->orig_rax;
  regs->rip -= 2; /* the length of `syscall` */
}

/* Settles a system call that a signal interrupted: once, before the first handler or on the way out without any. */
static void settle_system_call(struct program_regs *regs, bool restart) {
  if ((int64_t)regs->orig_rax >= 0 && (int64_t)regs->rax == -ERESTARTSYS) {
    if (restart) restart_system_call(regs);
    else regs->rax = (uint64_t)-EINTR;
  }
  regs->orig_rax = UINT64_MAX;
}

static void run_handler(struct program_regs *regs, int signo) {
  struct signal_action action = signals.actions[signo];
  settle_system_call(regs, action.flags & SA_RESTART);
  if (signal_push_frame(regs, signo, &signals.info[signo], &action)) {
    platform_log("signal %d: no room for its frame at rsp 0x%lx", signo, (unsigned long)regs->rsp);
    signal_terminate(SIGSEGV);
  }
  if (action.flags & SA_RESETHAND) signals.actions[signo].handler = handler_default;
  signals.blocked |= action.mask & ~UNBLOCKABLE;
  if (!(action.flags & SA_NODEFER)) signals.blocked |= SIGNAL_BIT(signo);
  signals.restore_mask = false; /* the frame carries the mask to go back to */
}

void personality_deliver_signals(struct program_regs *regs) {
  tty_take_input();
  signal_collect();
  timer_check();
  for (int signo; (signo = next_signal());) {
    if (is_ignored(signo)) continue;
    if (signals.actions[signo].handler != handler_default) run_handler(regs, signo);
    else if (DEFAULT_STOP & SIGNAL_BIT(signo)) platform_log("signal %d would stop the program: ignored", signo);
    else signal_terminate(signo);
  }
  settle_system_call(regs, true);
  if (signals.restore_mask) signals.blocked = signals.saved_mask;
  signals.restore_mask = false;
}

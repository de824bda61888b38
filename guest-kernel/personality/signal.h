/* Signals of the one process: what is pending, blocked, handled, and how frames are built and undone. */
#ifndef PERSONALITY_SIGNAL_H
#define PERSONALITY_SIGNAL_H

#include <linux/signal.h>

#include "base.h"

#define SIGNAL_COUNT 64
#define SIGNAL_BIT(signo) (1ull << ((signo) - 1))

/* What rt_sigaction passes; the C library's struct has another order. */
struct signal_action {
  uint64_t handler, flags, restorer, mask;
};

struct signal_state {
  uint64_t blocked;
  uint64_t pending;
  uint64_t saved_mask; /* the mask to go back to when rt_sigsuspend or ppoll end, if `restore_mask` */
  bool restore_mask;
  struct signal_action actions[SIGNAL_COUNT + 1];
  siginfo_t info[SIGNAL_COUNT + 1]; /* one of each: further ones of the same number are merged into it */
  stack_t alternate;
};
extern struct signal_state signals;

/* A signal the process sends itself; merged with one already pending. */
void signal_raise(int signo);
void signal_raise_info(int signo, const siginfo_t *info);
/* Moves what the host sent into `pending`. */
void signal_collect(void);
/* One waits that is neither blocked nor ignored. */
bool signal_pending(void);
/* Whether any handler could run, so that waiting without a deadline makes sense. */
bool signal_handlers_exist(void);
/* Sleeps until the deadline, WAKE_ something, a signal (-EINTR), or an interval timer that raises one. */
int signal_sleep(uint64_t deadline_ns, unsigned wake);
/* Blocks these until the system call ends and its signal, if any, has been delivered. */
void signal_mask_for_now(uint64_t mask);

/* Ends the program as the signal's default action. */
void signal_terminate(int signo) __attribute__((noreturn));

/* Puts a frame for the handler onto the program's stack and points regs at it. 0 or -EFAULT. */
int signal_push_frame(struct program_regs *regs, int signo, const siginfo_t *info, const struct signal_action *action);
/* Undoes the frame the stack pointer stands behind. 0 or -EFAULT. */
int signal_pop_frame(struct program_regs *regs);

/* The interval timers (alarm, setitimer ITIMER_REAL): raises SIGALRM if its time has come. */
void timer_check(void);
uint64_t timer_next(void);
/* After a sleep, which may have used the hardware timer for itself. */
void timer_arm_again(void);

#endif

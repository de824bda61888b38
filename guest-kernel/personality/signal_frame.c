/*
 * The frame a handler runs on, as Linux lays it out for x86-64 (arch/x86/include/asm/sigframe.h): return address,
 * ucontext, siginfo, and above them, 64-byte aligned, the vector registers. What comes back through rt_sigreturn is
 * the program's to forge: only flags it may change are taken over, and addresses must be canonical.
 */
#include "signal.h"

#include <asm/sigcontext.h>
#include <asm/ucontext.h>

#include "fpu.h"
#include "memory.h"

#define RED_ZONE 128u
/* CF PF AF ZF SF TF DF OF RF AC */
#define FLAGS_CHANGEABLE 0x50dd5ul
#define FLAG_TF 0x100ul
#define FLAG_DF 0x400ul
#define FLAG_RF 0x10000ul
#define UC_FLAGS (UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS)

struct frame {
  uint64_t return_address;
  struct ucontext context;
  siginfo_t info;
};

static bool on_alternate(uint64_t rsp) { return rsp - (uintptr_t)signals.alternate.ss_sp < signals.alternate.ss_size; }

static uint64_t stack_for(const struct program_regs *regs, const struct signal_action *action) {
  const stack_t *alternate = &signals.alternate;
  if (action->flags & SA_ONSTACK && alternate->ss_size && !on_alternate(regs->rsp))
    return (uintptr_t)alternate->ss_sp + alternate->ss_size;
  return regs->rsp - RED_ZONE;
}

int signal_push_frame(struct program_regs *regs, int signo, const siginfo_t *info, const struct signal_action *action) {
  uint64_t fpu_at = (stack_for(regs, action) - fpu_frame_bytes()) & ~63ul;
  uint64_t at = ((fpu_at - sizeof(struct frame)) & ~15ul) - 8;
  struct frame *frame = user_range(at, sizeof *frame, MAP_WRITE);
  void *fpu = user_range(fpu_at, fpu_frame_bytes(), MAP_WRITE);
  if (!frame || !fpu || !(action->flags & SA_RESTORER)) return -EFAULT;

  fpu_save(fpu);
  *frame = (struct frame){.return_address = action->restorer, .info = *info};
  frame->context.uc_flags = UC_FLAGS;
  frame->context.uc_stack = signals.alternate;
  if (!signals.alternate.ss_size) frame->context.uc_stack.ss_flags = SS_DISABLE;
  else if (on_alternate(regs->rsp)) frame->context.uc_stack.ss_flags |= SS_ONSTACK;
  frame->context.uc_sigmask = signals.restore_mask ? signals.saved_mask : signals.blocked;
  struct sigcontext *saved = &frame->context.uc_mcontext;
  saved->r8 = regs->r8, saved->r9 = regs->r9, saved->r10 = regs->r10, saved->r11 = regs->r11;
  saved->r12 = regs->r12, saved->r13 = regs->r13, saved->r14 = regs->r14, saved->r15 = regs->r15;
  saved->rdi = regs->rdi, saved->rsi = regs->rsi, saved->rbp = regs->rbp, saved->rbx = regs->rbx;
  saved->rdx = regs->rdx, saved->rax = regs->rax, saved->rcx = regs->rcx, saved->rsp = regs->rsp;
  saved->rip = regs->rip, saved->eflags = regs->rflags;
  saved->cs = (uint16_t)regs->cs, saved->ss = (uint16_t)regs->ss;
  saved->fpstate = (void *)(uintptr_t)fpu_at;
  saved->cr2 = info->si_signo == SIGSEGV ? (uintptr_t)info->si_addr : 0;
  saved->oldmask = frame->context.uc_sigmask;

  if (signals.alternate.ss_flags & SS_AUTODISARM) signals.alternate = (stack_t){0};
  regs->rdi = (uint64_t)signo;
  regs->rsi = at + offsetof(struct frame, info);
  regs->rdx = at + offsetof(struct frame, context);
  regs->rax = 0;
  regs->rip = action->handler;
  regs->rsp = at;
  regs->rflags &= ~(FLAG_TF | FLAG_DF | FLAG_RF);
  return 0;
}

static bool canonical(uint64_t address) { return (uint64_t)((int64_t)(address << 16) >> 16) == address; }

int signal_pop_frame(struct program_regs *regs) {
  struct frame frame;
  /* The handler's `ret` took the return address off. */
  if (copy_from_user(&frame, regs->rsp - 8, sizeof frame)) return -EFAULT;
  const struct sigcontext *saved = &frame.context.uc_mcontext;
  if (!canonical(saved->rip)) return -EFAULT;
  if (saved->fpstate) {
    const void *fpu = user_range((uintptr_t)saved->fpstate, fpu_frame_bytes(), MAP_READ);
    if (!fpu || (uintptr_t)saved->fpstate % 64) return -EFAULT;
    fpu_restore(fpu);
  }
  regs->r8 = saved->r8, regs->r9 = saved->r9, regs->r10 = saved->r10, regs->r11 = saved->r11;
  regs->r12 = saved->r12, regs->r13 = saved->r13, regs->r14 = saved->r14, regs->r15 = saved->r15;
  regs->rdi = saved->rdi, regs->rsi = saved->rsi, regs->rbp = saved->rbp, regs->rbx = saved->rbx;
  regs->rdx = saved->rdx, regs->rax = saved->rax, regs->rcx = saved->rcx, regs->rsp = saved->rsp;
  regs->rip = saved->rip;
  regs->rflags = (regs->rflags & ~FLAGS_CHANGEABLE) | (saved->eflags & FLAGS_CHANGEABLE);
  regs->orig_rax = UINT64_MAX; /* nothing to restart */

  signals.blocked = frame.context.uc_sigmask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
  signals.restore_mask = false;
  stack_t *alternate = &frame.context.uc_stack;
  alternate->ss_flags &= (int)SS_AUTODISARM;
  if (!on_alternate(regs->rsp)) signals.alternate = *alternate;
  return 0;
}

/* The C side of the entry code: tables, and who answers for an exception. */
#include "traps.h"

#include "apic.h"
#include "alarm.h"
#include "console.h"
#include "layout.h"
#include "net.h"
#include "panic.h"
#include "platform.h"
#include "privileged.h"
#include "serial.h"

/* SDM vol 3 section 6.14.1. */
struct gate {
  uint16_t offset_low, selector;
  uint8_t ist, type;
  uint16_t offset_middle;
  uint32_t offset_high, reserved;
};
#define GATE_INTERRUPT 0x8e
#define GATE_INTERRUPT_DPL3 0xee /* the program may raise it: int3, into */

extern struct gate idt[256];
extern uint32_t tss[26];

extern const char exception_entries[], undefined_instruction[], ignored_interrupt[];
extern const char timer_interrupt[], console_interrupt[], entropy_interrupt[], serial_interrupt[], net_interrupt[], disk_interrupts[];
extern const char copy_guarded_faulting[], copy_guarded_failed[], write_fs_base_faulting[], return_to_program_iretq[];
extern uint8_t privileged_stack_top[], interrupt_stack_top[], exception_stack_top[], nmi_stack_top[], kernel_stack_top[];

/* Left by exception.S. */
extern uint64_t trap_vector, trap_error, trap_address;
extern uint32_t trap_at_cpl0, guard_first, guard_last;

/* Called by the entry code. */
void program_fault(struct program_regs *regs);
int kernel_fault(struct program_regs *regs);
void before_return(struct program_regs *regs);

#define VECTOR_DEBUG 1
#define VECTOR_NMI 2
#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW 4
#define VECTOR_UNDEFINED 6
#define VECTOR_DOUBLE_FAULT 8

static void set_gate(unsigned vector, const char *entry, uint8_t ist, uint8_t type) {
  uint64_t offset = (uint64_t)entry;
  idt[vector] = (struct gate){(uint16_t)offset, KERNEL_CS, ist, type, (uint16_t)(offset >> 16), (uint32_t)(offset >> 32), 0};
}

/* RSP0 is at byte 4, IST1 at byte 36: 8-byte fields at 4-byte alignment (SDM vol 3 section 7.7). */
static void set_stack(unsigned at, uint8_t *top) {
  tss[at / 4] = (uint32_t)(uint64_t)top;
  tss[at / 4 + 1] = (uint32_t)((uint64_t)top >> 32);
}

void traps_init(void) {
  set_stack(4, privileged_stack_top);
  set_stack(36 + 8 * (IST_INTERRUPT - 1), interrupt_stack_top);
  set_stack(36 + 8 * (IST_EXCEPTION - 1), exception_stack_top);
  set_stack(36 + 8 * (IST_NMI - 1), nmi_stack_top);
  tss[25] = 104u << 16; /* no I/O permission bitmap */

  for (unsigned vector = 0; vector < 32; vector++)
    set_gate(vector, exception_entries + 16 * vector, IST_EXCEPTION, GATE_INTERRUPT);
  set_gate(VECTOR_BREAKPOINT, exception_entries + 16 * VECTOR_BREAKPOINT, IST_EXCEPTION, GATE_INTERRUPT_DPL3);
  set_gate(VECTOR_OVERFLOW, exception_entries + 16 * VECTOR_OVERFLOW, IST_EXCEPTION, GATE_INTERRUPT_DPL3);
  set_gate(VECTOR_DOUBLE_FAULT, exception_entries + 16 * VECTOR_DOUBLE_FAULT, IST_NMI, GATE_INTERRUPT);
  set_gate(VECTOR_NMI, ignored_interrupt, IST_NMI, GATE_INTERRUPT);
  set_gate(VECTOR_UNDEFINED, undefined_instruction, 0, GATE_INTERRUPT);
  set_gate(VECTOR_TIMER, timer_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
  set_gate(VECTOR_CONSOLE, console_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
  set_gate(VECTOR_ENTROPY, entropy_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
  set_gate(VECTOR_SERIAL, serial_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
  set_gate(VECTOR_NET, net_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
  for (unsigned disk = 0; disk < DISKS_MAX; disk++)
    set_gate(VECTOR_DISKS + disk, disk_interrupts + DISK_INTERRUPT_SIZE * disk, IST_INTERRUPT, GATE_INTERRUPT);
  set_gate(VECTOR_SPURIOUS, ignored_interrupt, IST_INTERRUPT, GATE_INTERRUPT);
}

void service_interrupts(void) {
  uint32_t pending = __atomic_exchange_n(&pending_interrupts, 0, __ATOMIC_SEQ_CST);
  if (pending & PENDING_TIMER) alarm_interrupted();
  if (pending & PENDING_CONSOLE) console_interrupted();
  if (pending & PENDING_SERIAL) serial_interrupted();
  if (pending & PENDING_NET) net_interrupted();
}

void wait_for_interrupt(void) { privileged(PRIVILEGED_HALT, 0, 0); }
void wait_for_timer(uint64_t ns) { privileged(PRIVILEGED_HALT, timer_ticks(ns), 0); }

/* The one place through which the CPU goes back to the program. */
void before_return(struct program_regs *regs) {
  /* What a program may set in RFLAGS: CF PF AF ZF SF TF DF OF AC ID. */
  const uint64_t program_flags = 0x240dd5;
  if (guard_first != KERNEL_GUARD || guard_last) kernel_overwritten();
  if (pending_interrupts) service_interrupts();
  personality_deliver_signals(regs);
  regs->cs = USER_CS;
  regs->ss = USER_DS;
  regs->rflags = (regs->rflags & program_flags) | RFLAGS_IF | RFLAGS_RESERVED;
}

void program_fault(struct program_regs *regs) {
  personality_fault(regs, (unsigned)trap_vector, trap_error, trap_address);
}

/* An exception with the kernel's own code under it: 0 goes on at regs, 1 blames the program, anything else panics. */
int kernel_fault(struct program_regs *regs) {
  if (!trap_at_cpl0) {
    if (regs->rip == (uint64_t)copy_guarded_faulting || regs->rip == (uint64_t)write_fs_base_faulting) {
      regs->rip = (uint64_t)copy_guarded_failed;
      return 0;
    }
    if (regs->rip == (uint64_t)return_to_program_iretq) return 1;
    if (trap_vector == VECTOR_DEBUG) { /* a KVM whose `syscall` leaves the program's trap flag on */
      regs->rflags &= ~RFLAGS_TF;
      return 0;
    }
  }
  panic_exception(regs, (unsigned)trap_vector, trap_error, trap_address, trap_at_cpl0);
}

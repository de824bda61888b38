/* The way from a number to its handler. What has none fails with ENOSYS, and the log says so once. */
#include "syscall.h"

#define NUMBERS 512u

struct program_regs *syscall_regs;

static syscall_function *handlers[NUMBERS];

static void fill_handlers(void) {
  for (size_t i = 0; i < syscall_table_length; i++) handlers[syscall_table[i].number] = syscall_table[i].function;
}

int64_t syscall_unsupported(uint64_t number) {
  static uint8_t said[NUMBERS / 8 + 1]; /* the last bit stands for all numbers beyond */
  uint64_t bit = number < NUMBERS ? number : NUMBERS;
  if (said[bit / 8] & 1 << bit % 8) return -ENOSYS;
  said[bit / 8] |= (uint8_t)(1 << bit % 8);
  const char *name = syscall_name(number);
  platform_log("system call %s (%lu) is not supported: the program gets ENOSYS", name ? name : "without a name", number);
  return -ENOSYS;
}

void personality_syscall(struct program_regs *regs) {
  if (!handlers[0]) fill_handlers();
  uint64_t number = regs->orig_rax;
  const uint64_t arg[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
  syscall_regs = regs;
  syscall_function *handler = number < NUMBERS ? handlers[number] : NULL;
  regs->rax = (uint64_t)(handler ? handler(arg) : syscall_unsupported(number));
}

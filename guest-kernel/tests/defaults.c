/* A personality for guests that test one thing: each of its functions may be replaced. */
#include "platform.h"

#define WEAK __attribute__((weak))

WEAK void personality_syscall(struct program_regs *regs) { regs->rax = (uint64_t)-38; /* ENOSYS */ }
WEAK void personality_fault(struct program_regs *regs, unsigned vector, uint64_t error, uint64_t address) {
  platform_panic("program fault %u error %lx at %lx, address %lx", vector, error, regs->rip, address);
}
WEAK void personality_signal_arrived(int signo) {}
WEAK void personality_window_changed(unsigned columns, unsigned rows) {}
WEAK void personality_renamed(const char *hostname) {}
WEAK bool personality_signal_pending(void) { return false; }
WEAK bool personality_input_news(void) { return false; }
WEAK void personality_packet_arrived(const uint8_t *packet, size_t count) {}
WEAK bool personality_packet_news(void) { return false; }
WEAK void personality_deliver_signals(struct program_regs *regs) {}

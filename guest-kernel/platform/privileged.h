/*
 * What the kernel's body, which runs at CPL3, asks of the few instructions at CPL0 (privileged.S). An undefined instruction
 * is the gate because it works on every KVM; `int n` from CPL3 does not.
 *
 * A program can come here too. What the seal leaves takes neither an address to use nor the number of a system register:
 * it can halt, use ports, and set its own FS base.
 */
#ifndef CLOISTER_PRIVILEGED_H
#define CLOISTER_PRIVILEGED_H

#define PRIVILEGED_HALT 0        /* (timer count): halt until an interrupt is pending; 0: leave the timer alone */
#define PRIVILEGED_SET_FS_BASE 1 /* (value): 0 or PRIVILEGED_FAILED */
#define PRIVILEGED_OUT 2         /* (byte, port) */
#define PRIVILEGED_OUT_STRING 3  /* (count, port): that many bytes of privileged_string */
#define PRIVILEGED_IN 4          /* (0, port): the byte */
/* Only until the seal. */
#define PRIVILEGED_RUN 5         /* (function, argument): calls it at CPL0; see run_privileged() */
#define PRIVILEGED_SEAL 6        /* (page-table root): loads it, and refuses these two from now on */

#define PRIVILEGED_FAILED -1     /* refused by the CPU, after the seal, or no such operation */

#define PRIVILEGED_STRING_MAX 16
#define MSR_FS_BASE 0xc0000100

#ifndef __ASSEMBLER__
#include <stdint.h>

uint64_t privileged(unsigned operation, uint64_t a, uint64_t b);
extern uint8_t privileged_string[PRIVILEGED_STRING_MAX];

/* Where the caller goes on, as iretq will read it. */
struct privileged_frame {
  uint64_t rip, cs, rflags, rsp, ss;
};
/*
 * Runs a few lines of C at CPL0, during boot. Going there and back costs more than what is done there, and device
 * registers are cheaper to reach from there on a KVM that emulates kernel mode: so several things at a time.
 */
typedef void privileged_function(void *argument, struct privileged_frame *frame);
static inline void run_privileged(privileged_function *function, void *argument) {
  privileged(PRIVILEGED_RUN, (uint64_t)function, (uint64_t)argument);
}
#endif

#endif

/* The vector registers in signal frames. The kernel itself never touches them: what is in them is the program's. */
#ifndef PERSONALITY_FPU_H
#define PERSONALITY_FPU_H

#include "base.h"

/* The state every Linux program starts with. */
void fpu_reset(void);
size_t fpu_frame_bytes(void);
/* Into 64-byte aligned memory, with the marks that tell a program what is there (asm/sigcontext.h). */
void fpu_save(void *frame);
/* From memory the program could have changed: whatever is in there, this does not fault. */
void fpu_restore(const void *frame);

#endif

/* The program's first instruction, and its end. */
#include "abi.h"
#include "block.h"
#include "console.h"
#include "platform.h"
#include "privileged.h"

#define MXCSR_DEFAULT 0x1f80

void enter_program(uint64_t rip, uint64_t rsp) __attribute__((noreturn)); /* system-call.S */

void platform_enter_program(uint64_t rip, uint64_t rsp) {
  const uint32_t mxcsr = MXCSR_DEFAULT;
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
  platform_set_fs_base(0);
  console_send(CLOISTER_MSG_STARTED, NULL, 0);
  enter_program(rip, rsp);
}

void platform_exit(uint32_t status, uint32_t signal, uint32_t reason) {
  const struct cloister_exit message = {status, signal, reason};
  disk_settle(); /* first: to the host the message is the end of it all */
  console_send(CLOISTER_MSG_EXIT, &message, sizeof message);
  console_flush();
  privileged(PRIVILEGED_OUT, status, CLOISTER_IO_EXIT);
  for (;;) privileged(PRIVILEGED_HALT, 0, 0);
}

/* The boot, at CPL3 from its first line on: start.S has done what needs kernel mode. */
#include <stdint.h>

#include "apic.h"
#include "block.h"
#include "boot.h"
#include "clock.h"
#include "console.h"
#include "control.h"
#include "cpu.h"
#include "entropy.h"
#include "layout.h"
#include "net.h"
#include "pages.h"
#include "platform.h"
#include "privileged.h"
#include "traps.h"
#include "virtio-mmio.h"

/* The few things that only kernel mode can do, in one go. */
static void start_at_cpl0(void *unused, struct privileged_frame *frame) {
  pages_start();              /* from here on stray addresses fault */
  cpu_start();                /* FSGSBASE, AVX */
  clock_start();              /* kvm-clock */
  apic_start();               /* interrupt controller, timer */
  frame->rflags |= RFLAGS_IF; /* interrupts, once we are back at CPL3 */
}

void main(uint32_t start_info) __attribute__((noreturn));

void main(uint32_t start_info) {
  traps_init();               /* exceptions have somewhere to go */
  boot_info_init(start_info); /* RAM, command line, root file tree */
  pages_init();               /* the kernel's page tables */
  run_privileged(start_at_cpl0, NULL);
  cpu_init();                 /* FS base */
  clock_init();               /* time */
  apic_init();                /* how fast the timer counts */
  virtio_mmio_init();         /* device windows */
  entropy_init();             /* asks the host for a seed */
  control_init();             /* room for the arguments */
  console_init();             /* ports for the streams and control */
  block_init();               /* disks */
  net_init();                 /* network */
  personality_main();
}

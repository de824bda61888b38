/* CPU features that an operating system has to turn on for its programs (SDM vol 3 section 2.5, 13.5), and FS base. */
#include "cpu.h"

#include <stdbool.h>

#include "platform.h"
#include "privileged.h"
#include "traps.h"

#define CR4_FSGSBASE (1u << 16)
#define CR4_OSXSAVE (1u << 18)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_7_EBX_FSGSBASE (1u << 0)
#define XCR0_USEFUL 0xe7 /* x87 SSE AVX, AVX-512 in three parts */

static bool fs_base_by_msr;
static uint64_t fs_base;

void cpu_start(void) {
  uint64_t cr4 = 0;
  if (cpuid(7, 0).ebx & CPUID_7_EBX_FSGSBASE) cr4 |= CR4_FSGSBASE;
  if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE) cr4 |= CR4_OSXSAVE;
  if (!cr4) return;
  uint64_t before;
  __asm__ volatile("mov %%cr4, %0" : "=r"(before));
  __asm__ volatile("mov %0, %%cr4" : : "r"(before | cr4));
  if (cr4 & CR4_OSXSAVE) __asm__ volatile("xsetbv" : : "c"(0), "a"(cpuid(13, 0).eax & XCR0_USEFUL), "d"(0));
}

/* Whether FS base can be written is tried rather than looked up: a software KVM allows it without saying so. */
void cpu_init(void) { fs_base_by_msr = write_fs_base(0) != 0; }

void platform_set_fs_base(uint64_t value) {
  fs_base = value;
  if (fs_base_by_msr)
    privileged(PRIVILEGED_SET_FS_BASE, value, 0);
  else
    write_fs_base(value);
}

uint64_t platform_get_fs_base(void) {
  uint64_t value = fs_base; /* all there is where programs cannot write it themselves */
  if (!fs_base_by_msr) __asm__ volatile("rdfsbase %0" : "=r"(value));
  return value;
}

#ifndef CLOISTER_CPU_H
#define CLOISTER_CPU_H

#include <stdint.h>

struct cpuid {
  uint32_t eax, ebx, ecx, edx;
};

/* At CPL0 this is what KVM presents; at CPL3 what the program sees, which on some KVM is the host's. */
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
  struct cpuid answer;
  __asm__ volatile("cpuid"
                   : "=a"(answer.eax), "=b"(answer.ebx), "=c"(answer.ecx), "=d"(answer.edx)
                   : "a"(leaf), "c"(subleaf));
  return answer;
}

static inline void write_msr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* At CPL0: turns on what programs may use, FSGSBASE and AVX, where KVM offers it. */
void cpu_start(void);
/* Finds out how to set the FS base. */
void cpu_init(void);

#endif

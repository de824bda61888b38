/*
 * The texts of /proc, in Linux' formats (Documentation/filesystems/proc.rst). Figures that this kernel does not keep
 * (idle time, load) are 0, never made up.
 */
#include "proc_files.h"
#include "memory.h"
#include "window.h"
#include "process.h"
#include "text.h"

#define UNIKERNEL_VERSION "#1 Cloister"

static unsigned long kib(size_t pages) { return pages * (PAGE_BYTES / 1024); }

void proc_kernel_command_line(struct text *text) { text_add(text, "%s\n", boot_facts.command_line); }

static void cpuid(uint32_t leaf, uint32_t out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}

/* The feature bits that programs look for by name. */
static const struct {
  uint8_t leaf, reg, bit;
  const char *name;
} cpu_flags[] = {
  {1, 3, 0, "fpu"},   {1, 3, 4, "tsc"},     {1, 3, 8, "cx8"},     {1, 3, 15, "cmov"},   {1, 3, 23, "mmx"},
  {1, 3, 24, "fxsr"}, {1, 3, 25, "sse"},    {1, 3, 26, "sse2"},   {1, 2, 0, "pni"},     {1, 2, 1, "pclmulqdq"},
  {1, 2, 9, "ssse3"}, {1, 2, 12, "fma"},    {1, 2, 13, "cx16"},   {1, 2, 19, "sse4_1"}, {1, 2, 20, "sse4_2"},
  {1, 2, 22, "movbe"}, {1, 2, 23, "popcnt"}, {1, 2, 25, "aes"},   {1, 2, 26, "xsave"},  {1, 2, 28, "avx"},
  {1, 2, 29, "f16c"}, {1, 2, 30, "rdrand"}, {7, 1, 3, "bmi1"},    {7, 1, 5, "avx2"},    {7, 1, 8, "bmi2"},
  {7, 1, 9, "erms"},  {7, 1, 16, "avx512f"}, {7, 1, 18, "rdseed"}, {7, 1, 29, "sha_ni"},
};

void proc_cpuinfo(struct text *text) {
  uint32_t regs[4], brand[13] = {0};
  cpuid(0, regs);
  text_add(text, "processor\t: 0\nvendor_id\t: %.4s%.4s%.4s\n", (char *)&regs[1], (char *)&regs[3], (char *)&regs[2]);
  cpuid(0x80000000u, regs);
  if (regs[0] >= 0x80000004u)
    for (uint32_t i = 0; i < 3; i++) cpuid(0x80000002u + i, &brand[i * 4]);
  text_add(text, "model name\t: %s\nflags\t\t:", (char *)brand);
  for (size_t i = 0; i < ARRAY_LENGTH(cpu_flags); i++) {
    cpuid(cpu_flags[i].leaf, regs);
    if (regs[cpu_flags[i].reg] >> cpu_flags[i].bit & 1) text_add(text, " %s", cpu_flags[i].name);
  }
  text_add(text, "\n\n");
}

void proc_filesystems(struct text *text) { text_add(text, "nodev\ttmpfs\nnodev\tproc\n"); }
void proc_loadavg(struct text *text) { text_add(text, "0.00 0.00 0.00 1/1 1\n"); }

void proc_meminfo(struct text *text) {
  unsigned long total = kib(window_pages), free = kib(pages_free_count());
  text_add(text, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n", total, free, free);
  text_add(text, "Buffers:        %8u kB\nCached:         %8u kB\nSwapCached:     %8u kB\n", 0u, 0u, 0u);
  text_add(text, "SwapTotal:      %8u kB\nSwapFree:       %8u kB\nShmem:          %8u kB\n", 0u, 0u, 0u);
  text_add(text, "SReclaimable:   %8u kB\n", 0u);
}

void proc_stat(struct text *text) {
  uint64_t up = platform_monotonic_ns(), now = platform_realtime_ns();
  unsigned long ticks = up / (NS_PER_SECOND / TICKS_PER_SECOND);
  text_add(text, "cpu  %lu 0 0 0 0 0 0 0 0 0\ncpu0 %lu 0 0 0 0 0 0 0 0 0\n", ticks, ticks);
  text_add(text, "btime %lu\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", (unsigned long)((now - up) / NS_PER_SECOND));
}

void proc_uptime(struct text *text) {
  unsigned long hundredths = platform_monotonic_ns() / (NS_PER_SECOND / 100);
  text_add(text, "%lu.%02lu 0.00\n", hundredths / 100, hundredths % 100);
}

void proc_version(struct text *text) {
  text_add(text, "Linux version %s (Cloister unikernel) %s\n", UNIKERNEL_RELEASE, UNIKERNEL_VERSION);
}

void proc_hostname(struct text *text) { text_add(text, "%s\n", process.hostname); }
void proc_osrelease(struct text *text) { text_add(text, "%s\n", UNIKERNEL_RELEASE); }
void proc_ostype(struct text *text) { text_add(text, "Linux\n"); }
void proc_comm(struct text *text) { text_add(text, "%s\n", process.name); }

void proc_cmdline(struct text *text) {
  for (int i = 0; i < process.args.argc; i++) text_add_bytes(text, process.args.argv[i], strlen(process.args.argv[i]) + 1);
}

void proc_environ(struct text *text) {
  for (int i = 0; i < process.args.envc; i++) text_add_bytes(text, process.args.envp[i], strlen(process.args.envp[i]) + 1);
}

void proc_maps(struct text *text) { memory_describe(text); }

void proc_mounts(struct text *text) { text_add(text, "tmpfs / tmpfs rw 0 0\nproc /proc proc ro 0 0\n"); }

void proc_self_stat(struct text *text) {
  unsigned long ticks = platform_monotonic_ns() / (NS_PER_SECOND / TICKS_PER_SECOND);
  text_add(text, "1 (%s) R 0 1 1 0 -1 0 0 0 0 0 %lu 0 0 0 20 0 1 0 0", process.name, ticks);
  text_add(text, " %lu %lu", (unsigned long)(memory_program_pages() * PAGE_BYTES), (unsigned long)memory_program_pages());
  for (int field = 25; field <= 52; field++) text_add(text, " 0");
  text_add(text, "\n");
}

void proc_status(struct text *text) {
  text_add(text, "Name:\t%s\nUmask:\t0%u%u%u\nState:\tR (running)\n", process.name, process.umask >> 6 & 7,
           process.umask >> 3 & 7, process.umask & 7);
  text_add(text, "Tgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\nTracerPid:\t0\n");
  text_add(text, "Uid:\t%u\t%u\t%u\t%u\n", process.uid, process.uid, process.uid, process.uid);
  text_add(text, "Gid:\t%u\t%u\t%u\t%u\n", process.gid, process.gid, process.gid, process.gid);
  unsigned long used = kib(memory_program_pages());
  text_add(text, "FDSize:\t1024\nGroups:\t\nVmSize:\t%8lu kB\nVmRSS:\t%8lu kB\nThreads:\t1\n", used, used);
}

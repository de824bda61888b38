/*
 * Clocks. KVM shares a page that turns the TSC into nanoseconds (Linux Documentation/virt/kvm/x86/msr.rst): reading
 * it needs no exit and works at CPL3. Without KVM the TSC is measured against the PIT, and real time starts at the RTC.
 */
#include "clock.h"

#include "cpu.h"
#include "layout.h"
#include "platform.h"
#include "privileged.h"

#define MSR_KVM_WALL_CLOCK_NEW 0x4b564d00
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define KVM_SYSTEM_TIME_ENABLE 1
#define CPUID_HYPERVISOR 0x40000000
#define CPUID_KVM_EBX 0x4b4d564b /* "KVMKVMKVM" */
#define CPUID_KVM_ECX 0x564b4d56
#define CPUID_KVM_EDX 0x4d
#define CPUID_KVM_FEATURES 0x40000001
#define KVM_FEATURE_CLOCKSOURCE2 (1u << 3)

struct kvm_time {
  volatile uint32_t version; /* odd while the host writes */
  uint32_t padding;
  volatile uint64_t tsc_timestamp, system_time;
  volatile uint32_t tsc_to_ns_multiplier;
  volatile int8_t tsc_shift;
  uint8_t flags, padding2[2];
};

struct kvm_wall_clock {
  volatile uint32_t version, seconds, nanoseconds; /* real time when system_time was zero */
};

static _Alignas(64) struct kvm_time kvm_time;
static _Alignas(64) struct kvm_wall_clock wall_clock;
static bool has_kvm_clock;
#define CORRECTION_NS 250000000ull
static uint64_t real_minus_monotonic;

/* Without KVM. */
static uint64_t tsc_start, tsc_hz;

static uint64_t read_tsc(void) {
  uint32_t low, high;
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

static uint64_t read_kvm_time(void) {
  uint32_t version;
  uint64_t ns;
  do {
    version = kvm_time.version;
    __asm__ volatile("" : : : "memory");
    uint64_t delta = read_tsc() - kvm_time.tsc_timestamp;
    delta = kvm_time.tsc_shift < 0 ? delta >> -kvm_time.tsc_shift : delta << kvm_time.tsc_shift;
    ns = kvm_time.system_time + (uint64_t)((__uint128_t)delta * kvm_time.tsc_to_ns_multiplier >> 32);
    __asm__ volatile("" : : : "memory");
  } while (version & 1 || version != kvm_time.version);
  return ns;
}

void clock_start(void) {
  struct cpuid hypervisor = cpuid(CPUID_HYPERVISOR, 0);
  if (hypervisor.ebx != CPUID_KVM_EBX || hypervisor.ecx != CPUID_KVM_ECX || hypervisor.edx != CPUID_KVM_EDX) return;
  if (!(cpuid(CPUID_KVM_FEATURES, 0).eax & KVM_FEATURE_CLOCKSOURCE2)) return;
  write_msr(MSR_KVM_SYSTEM_TIME_NEW, PA(&kvm_time) | KVM_SYSTEM_TIME_ENABLE);
  write_msr(MSR_KVM_WALL_CLOCK_NEW, PA(&wall_clock));
}

static unsigned in(unsigned port) { return (unsigned)privileged(PRIVILEGED_IN, 0, port); }
static void out(unsigned port, unsigned value) { privileged(PRIVILEGED_OUT, value, port); }

static unsigned read_pit(void) {
  out(0x43, 0); /* latch channel 0 */
  unsigned low = in(0x40);
  return in(0x40) << 8 | low;
}

/* Channel 0 of the 8254, counting down once from the top; its interrupt goes nowhere. */
static uint64_t measure_tsc_hz(void) {
  const unsigned pit_hz = 1193182, enough = pit_hz / 50;
  out(0x43, 0x30); /* low then high byte, mode 0 */
  out(0x40, 0xff);
  out(0x40, 0xff);
  unsigned first = read_pit(), passed = 0;
  uint64_t start = read_tsc(), ticks = 0;
  for (unsigned tries = 0; passed < enough; tries++) {
    if (tries == 1000000) platform_panic("neither kvm-clock nor a PIT to tell the time by");
    passed = first - read_pit();
    ticks = read_tsc() - start;
  }
  return ticks * pit_hz / passed;
}

static unsigned read_cmos(unsigned index) {
  out(0x70, index);
  return in(0x71);
}

static unsigned read_rtc(unsigned index) {
  unsigned bcd = read_cmos(index);
  return (bcd >> 4) * 10 + (bcd & 15);
}

/* MC146818, BCD and 24 hours as firmware leaves it. Days by the civil calendar since 1 March of year 0. */
static uint64_t read_rtc_seconds(void) {
  if (read_cmos(8) > 0x12) {
    platform_log("no kvm-clock and no RTC: real time starts in 1970");
    return 0;
  }
  uint64_t year = 2000 + read_rtc(9), month = read_rtc(8), day = read_rtc(7);
  if (month <= 2) year--, month += 12;
  uint64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
  return days * 86400 + read_rtc(4) * 3600 + read_rtc(2) * 60 + read_rtc(0);
}

void clock_init(void) {
  has_kvm_clock = kvm_time.tsc_to_ns_multiplier;
  if (has_kvm_clock) {
    real_minus_monotonic = wall_clock.seconds * 1000000000ull + wall_clock.nanoseconds;
    return;
  }
  tsc_hz = measure_tsc_hz();
  tsc_start = read_tsc();
  real_minus_monotonic = read_rtc_seconds() * 1000000000ull;
  platform_log("no kvm-clock: TSC measured against the PIT, %lu Hz", tsc_hz);
}

bool clock_is_kvm(void) { return has_kvm_clock; }

uint64_t platform_monotonic_ns(void) {
  if (has_kvm_clock) return read_kvm_time();
  uint64_t ticks = read_tsc() - tsc_start;
  return ticks / tsc_hz * 1000000000ull + ticks % tsc_hz * 1000000000ull / tsc_hz;
}

uint64_t platform_realtime_ns(void) { return platform_monotonic_ns() + real_minus_monotonic; }

void clock_correct(uint64_t realtime_ns) {
  uint64_t ours = platform_realtime_ns();
  uint64_t off = ours > realtime_ns ? ours - realtime_ns : realtime_ns - ours;
  if (off > CORRECTION_NS) real_minus_monotonic += realtime_ns - ours;
}

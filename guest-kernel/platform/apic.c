/*
 * Local APIC (SDM vol 3 chapter 11) and I/O APIC (82093AA data sheet), both through their pages. The timer is one-shot:
 * an idle guest does nothing. Its counter is set by one store; the TSC-deadline mode needs a wrmsr.
 */
#include "apic.h"

#include "clock.h"
#include "layout.h"
#include "platform.h"

#define LAPIC_ID 0x20
#define LAPIC_TPR 0x80
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_INITIAL_COUNT 0x380
#define LAPIC_CURRENT_COUNT 0x390
#define LAPIC_DIVIDE 0x3e0
#define SPURIOUS_ENABLE 0x100
#define LVT_MASKED 0x10000
#define DIVIDE_BY_1 0xb

#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_REDIRECTION 0x10 /* register index of pin 0, two per pin */
#define IOAPIC_PINS 24

#define TIMER_MAX_NS 4000000000ull

static uint64_t ticks_per_second = 1000000000;

static volatile uint32_t *lapic(unsigned offset) { return (volatile uint32_t *)((uint8_t *)VA(LAPIC_PA) + offset); }
static volatile uint32_t *ioapic(unsigned offset) { return (volatile uint32_t *)((uint8_t *)VA(IOAPIC_PA) + offset); }

static void ioapic_write(unsigned index, uint32_t value) {
  *ioapic(IOAPIC_SELECT) = index;
  *ioapic(IOAPIC_WINDOW) = value;
}

void apic_start(void) {
  *lapic(LAPIC_SPURIOUS) = SPURIOUS_ENABLE | VECTOR_SPURIOUS;
  *lapic(LAPIC_TPR) = 0;
  *lapic(LAPIC_LVT_LINT0) = LVT_MASKED; /* the 8259, if there is one */
  *lapic(LAPIC_DIVIDE) = DIVIDE_BY_1;
  *lapic(LAPIC_LVT_TIMER) = VECTOR_TIMER; /* one-shot */
}

void apic_init(void) {
  if (clock_is_kvm()) return; /* KVM's timer counts nanoseconds */
  *lapic(LAPIC_INITIAL_COUNT) = UINT32_MAX;
  uint64_t start = platform_monotonic_ns(), now;
  do now = platform_monotonic_ns();
  while (now - start < 1000000);
  ticks_per_second = (UINT32_MAX - *lapic(LAPIC_CURRENT_COUNT)) * 1000000000ull / (now - start);
  *lapic(LAPIC_INITIAL_COUNT) = 0;
}

void ioapic_route(unsigned gsi, unsigned vector) {
  if (gsi >= IOAPIC_PINS) platform_panic("no I/O APIC pin %u", gsi);
  uint32_t destination = *lapic(LAPIC_ID) & 0xff000000;
  ioapic_write(IOAPIC_REDIRECTION + 2 * gsi + 1, destination);
  ioapic_write(IOAPIC_REDIRECTION + 2 * gsi, vector); /* fixed, physical, active high, edge, unmasked */
}

uint32_t timer_ticks(uint64_t ns) {
  if (ns > TIMER_MAX_NS) ns = TIMER_MAX_NS;
  uint64_t ticks = ns * ticks_per_second / 1000000000; /* fits for any timer below 4.6 GHz */
  return ticks > UINT32_MAX ? UINT32_MAX : ticks ? (uint32_t)ticks : 1;
}

void timer_start(uint64_t ns) { *lapic(LAPIC_INITIAL_COUNT) = timer_ticks(ns); }

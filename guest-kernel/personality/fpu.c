/*
 * XSAVE where the processor and CR4 allow it, else FXSAVE; both run natively at CPL3. The layout is that of SDM
 * volume 1 chapter 13: 512 bytes of legacy state, a 64-byte header, then one area per feature.
 */
#include "fpu.h"
#include <asm/sigcontext.h>

#define LEGACY_BYTES 512u
#define HEADER_BYTES 64u
#define AREA_MAX 4096u
#define FEATURES_SAVED 0xe7ul /* x87, SSE, AVX, AVX-512 */
#define FEATURES_LEGACY 0x3ul

static uint64_t features; /* 0: no XSAVE */
static size_t area_bytes;
static uint8_t scratch[AREA_MAX] __attribute__((aligned(64)));

void fpu_reset(void) {
  const uint32_t mxcsr = 0x1f80; /* all exceptions masked, round to nearest */
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

static void measure(void) {
  uint32_t regs[4];
  area_bytes = LEGACY_BYTES;
  cpuid(1, 0, regs);
  if (!(regs[2] & 1u << 27)) return; /* OSXSAVE */
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & FEATURES_LEGACY) != FEATURES_LEGACY) return; /* nobody set XCR0: XSAVE would leave SSE out */
  features = low & FEATURES_SAVED;
  area_bytes = LEGACY_BYTES + HEADER_BYTES;
  for (uint32_t feature = 2; feature < 8; feature++) {
    if (!(features & 1ul << feature)) continue;
    cpuid(0xd, feature, regs); /* EAX: size, EBX: offset in the standard layout */
    size_t end = (size_t)regs[0] + regs[1];
    if (end > AREA_MAX) features &= ~(1ul << feature);
    else if (end > area_bytes) area_bytes = end;
  }
}

size_t fpu_frame_bytes(void) {
  if (!area_bytes) measure();
  return area_bytes + FP_XSTATE_MAGIC2_SIZE;
}

void fpu_save(void *frame) {
  uint8_t *area = frame;
  memset(area + offsetof(struct _fpstate_64, sw_reserved), 0, sizeof(struct _fpx_sw_bytes));
  if (!features) {
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    return;
  }
  memset(area + LEGACY_BYTES, 0, HEADER_BYTES);
  __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)features), "d"(0) : "memory");
  struct _fpx_sw_bytes marks = {
    .magic1 = FP_XSTATE_MAGIC1,
    .extended_size = (uint32_t)(area_bytes + FP_XSTATE_MAGIC2_SIZE),
    .xfeatures = features,
    .xstate_size = (uint32_t)area_bytes,
  };
  memcpy(area + offsetof(struct _fpstate_64, sw_reserved), &marks, sizeof marks);
  uint32_t end_mark = FP_XSTATE_MAGIC2;
  memcpy(area + area_bytes, &end_mark, sizeof end_mark);
}

/* XRSTOR and FXRSTOR fault on reserved bits of MXCSR and of the header: those are cleared in a copy first. */
void fpu_restore(const void *frame) {
  struct _fpstate_64 *legacy = (struct _fpstate_64 *)(void *)scratch;
  memset(scratch, 0, sizeof scratch);
  __asm__ volatile("fxsave64 (%0)" : : "r"(scratch) : "memory");
  uint32_t allowed = legacy->mxcsr_mask ? legacy->mxcsr_mask : 0xffbf; /* SDM volume 1 section 11.6.6 */

  memcpy(scratch, frame, area_bytes);
  legacy->mxcsr &= allowed;
  if (!features) {
    __asm__ volatile("fxrstor64 (%0)" : : "r"(scratch) : "memory");
    return;
  }
  uint64_t *header = (uint64_t *)(void *)(scratch + LEGACY_BYTES);
  bool extended = legacy->sw_reserved.magic1 == FP_XSTATE_MAGIC1;
  header[0] = extended ? header[0] & features : FEATURES_LEGACY;
  memset(header + 1, 0, HEADER_BYTES - sizeof header[0]);
  __asm__ volatile("xrstor64 (%0)" : : "r"(scratch), "a"((uint32_t)features), "d"(0) : "memory");
}

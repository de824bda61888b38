/*
 * The first stack of a program (System V x86-64 psABI section 3.4.1): from the stack pointer upwards argc, argv,
 * NULL, envp, NULL, the auxiliary vector; above it the strings. Below the mapping there is nothing, so running out of
 * stack is a page fault and not a silent overwrite.
 */
#include "stack.h"
#include <asm/auxvec.h>
#include <linux/auxvec.h>
#include <linux/elf.h>

#include "fpu.h"
#include "memory.h"
#include "window.h"
#include "process.h"

#define STACK_TOP 0x5ffffffff000ul /* the last pages a program may have */
#define STACK_MAX (8ul << 20)
#define STACK_MIN (128ul << 10)

/* Writes downwards from the top, in the kernel's view; `address` is the program's view of the same byte. */
struct builder {
  uint8_t *bottom, *at;
  uint64_t shift; /* from our view to the program's */
  bool full;
};

static uint64_t push(struct builder *stack, const void *bytes, size_t count) {
  if ((size_t)(stack->at - stack->bottom) < count) {
    stack->full = true;
    return 0;
  }
  stack->at -= count;
  memcpy(stack->at, bytes, count);
  return (uintptr_t)stack->at + stack->shift;
}

static uint64_t push_string(struct builder *stack, const char *text) { return push(stack, text, strlen(text) + 1); }

static void push_word(struct builder *stack, uint64_t word) { push(stack, &word, sizeof word); }

static void push_auxiliary(struct builder *stack, uint64_t type, uint64_t value) {
  push_word(stack, value);
  push_word(stack, type);
}

/* Pointers to strings that lie one behind the other from `address` on, NULL-ended; pushed last first. */
static void push_pointers(struct builder *stack, const char **strings, int count, uint64_t address) {
  push_word(stack, 0);
  uint64_t end = address;
  for (int i = 0; i < count; i++) end += strlen(strings[i]) + 1;
  for (int i = count - 1; i >= 0; i--) {
    end -= strlen(strings[i]) + 1;
    push_word(stack, end);
  }
}

static uint64_t push_strings(struct builder *stack, const char **strings, int count) {
  uint64_t address = (uintptr_t)stack->at + stack->shift;
  for (int i = count - 1; i >= 0; i--) address = push_string(stack, strings[i]);
  return address;
}

static uint32_t hardware_capabilities(void) {
  uint32_t a = 1, b, c = 0, d;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d;
}

static int64_t build(struct builder *stack, const struct program_args *args, const char *executable,
                     const struct image *image) {
  uint8_t seed[16];
  platform_random(seed, sizeof seed);
  push_word(stack, 0);
  uint64_t path = push_string(stack, executable);
  uint64_t environment = push_strings(stack, args->envp, args->envc);
  uint64_t arguments = push_strings(stack, args->argv, args->argc);
  uint64_t machine = push_string(stack, "x86_64");
  uint64_t random = push(stack, seed, sizeof seed);
  stack->at -= (uintptr_t)stack->at % 16;

  const uint64_t auxiliary[][2] = {
    {AT_HWCAP, hardware_capabilities()},
    {AT_PAGESZ, PAGE_BYTES},
    {AT_CLKTCK, TICKS_PER_SECOND},
    {AT_PHDR, image->program_headers},
    {AT_PHENT, sizeof(Elf64_Phdr)},
    {AT_PHNUM, image->program_header_count},
    {AT_BASE, 0},
    {AT_FLAGS, 0},
    {AT_ENTRY, image->entry},
    {AT_UID, process.uid},
    {AT_EUID, process.uid},
    {AT_GID, process.gid},
    {AT_EGID, process.gid},
    {AT_SECURE, 0},
    {AT_RANDOM, random},
    {AT_EXECFN, path},
    {AT_PLATFORM, machine},
    {AT_MINSIGSTKSZ, fpu_frame_bytes() + 1024},
    {AT_NULL, 0},
  };
  /* argc must end up 16-byte aligned. */
  size_t words = 1 + (size_t)args->argc + 1 + (size_t)args->envc + 1 + 2 * ARRAY_LENGTH(auxiliary);
  if (words % 2) push_word(stack, 0);
  for (size_t i = ARRAY_LENGTH(auxiliary); i-- > 0;) push_auxiliary(stack, auxiliary[i][0], auxiliary[i][1]);
  push_pointers(stack, args->envp, args->envc, environment);
  push_pointers(stack, args->argv, args->argc, arguments);
  push_word(stack, (uint64_t)args->argc);
  return stack->full ? -E2BIG : (int64_t)((uintptr_t)stack->at + stack->shift);
}

int64_t stack_build(const struct program_args *args, const char *executable, const struct image *image) {
  size_t bytes = window_pages * PAGE_BYTES / 16 & ~(PAGE_BYTES - 1);
  bytes = bytes > STACK_MAX ? STACK_MAX : bytes < STACK_MIN ? STACK_MIN : bytes;
  size_t pages = bytes / PAGE_BYTES;
  size_t backing = pages_take_high(pages, PAGE_PLACED | PAGE_WRITABLE | MAP_READ | MAP_WRITE);
  if (backing == SIZE_MAX) return -ENOMEM;
  int error = memory_place(STACK_TOP - bytes, backing, pages);
  if (error) return error;
  process.stack_bytes = bytes;
  uint8_t *bottom = page_address(backing);
  struct builder stack = {
    .bottom = bottom + bytes / 4 * 3, /* as in Linux, arguments may fill a quarter */
    .at = bottom + bytes,
    .shift = STACK_TOP - bytes - (uintptr_t)bottom,
  };
  return build(&stack, args, executable, image);
}

/* The window: all RAM that neither the image, its page tables nor the root file tree takes. */
#include "boot.h"
#include "layout.h"
#include "platform.h"

struct memory_window platform_memory(void) {
  struct range free = boot_largest_free();
  return (struct memory_window){VA(free.start), free.end - free.start};
}

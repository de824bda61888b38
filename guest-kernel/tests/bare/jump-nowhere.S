/* Jumps to an address where there is neither memory nor a device. */
#include "pvh.h"
  mov $0xb0000000, %eax
  jmp *%eax

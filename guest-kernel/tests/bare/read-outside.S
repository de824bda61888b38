/*
 * Reads where there is neither memory nor a device, and writes there. PC hardware answers all ones and drops the
 * write; QEMU answers zero; a strict monitor stops the guest. If it lives on, it says so and leaves with status 0.
 */
#include "pvh.h"
  mov 0xb0000000, %eax
  mov %eax, 0xb0000008
  mov $text, %esi
  mov $(text_end - text), %ecx
  mov $0x3f8, %dx
  rep outsb
  xor %eax, %eax
  out %al, $0xf4
  cli
  hlt
text:
  .ascii "PASS read-outside\n"
text_end:

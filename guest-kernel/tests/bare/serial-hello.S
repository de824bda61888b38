/* Prints one line on the serial port, a byte at a time, and leaves with status 0. */
#include "pvh.h"
  mov $text, %esi
  mov $(text_end - text), %ecx
  mov $0x3f8, %dx
1:
  lodsb
  out %al, %dx
  loop 1b
  xor %eax, %eax
  out %al, $0xf4
  cli
  hlt
text:
  .ascii "PASS serial-hello\n"
text_end:

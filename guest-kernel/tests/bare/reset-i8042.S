/* Asks the keyboard controller for a reset: pulses the reset line (command 0xfe at port 0x64). */
#include "pvh.h"
  mov $0xfe, %al
  out %al, $0x64
  cli
  hlt

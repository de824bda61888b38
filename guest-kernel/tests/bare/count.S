/*
 * Counts for ever in the first four bytes of the first boot module, where a monitor can watch it: start info +16 is
 * the module list, whose first field is the address.
 */
#include "pvh.h"
  mov 16(%ebx), %esi
  mov (%esi), %edi
1:
  incl (%edi)
  jmp 1b

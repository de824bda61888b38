/* An endless loop: what --timeout and the kick are for. */
#include "pvh.h"
  jmp start

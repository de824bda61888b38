/* The one process: who it is, where it stands, what it was started with. */
#ifndef PERSONALITY_PROCESS_H
#define PERSONALITY_PROCESS_H

#include <linux/utsname.h>

#include "tree.h"

#define PROCESS_ID 1
#define UNIKERNEL_RELEASE "6.1.0-cloister-unikernel"

struct process {
  struct program_args args;
  struct inode *directory;  /* working directory */
  struct inode *executable; /* what /proc/self/exe leads to */
  uint32_t umask;
  uint32_t uid, gid; /* real, effective and saved alike: reported, never enforced */
  char name[16];
  char hostname[__NEW_UTS_LEN + 1];
  uint64_t stack_bytes;
};
extern struct process process;

#endif

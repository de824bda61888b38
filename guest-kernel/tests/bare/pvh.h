/*
 * The smallest guest: a PVH note (Xen's XEN_ELFNOTE_PHYS32_ENTRY, type 18), then code in 32-bit protected mode,
 * paging off, flat segments, EBX = start info. A guest is one file: #include this, then its instructions.
 */
  .section .note.pvh, "a", @note
  .balign 4
  .long 4, 8, 18
  .asciz "Xen"
  .quad start
  .text
  .code32
  .globl start
start:

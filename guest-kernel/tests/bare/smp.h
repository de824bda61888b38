/*
 * Starts the other processors. A guest is one file: #include this, then the label `all_started`, where the first goes on
 * when each has said its APIC id on the serial port; the label `ap_main`, where each of the others goes on, with its
 * APIC id in EDI, a stack, and interrupts off; and `on_ipi`, where IPI_VECTOR comes. Nothing here returns from an
 * interrupt: a software KVM has no iret in protected mode.
 *
 *   start info -> RSDP -> XSDT -> MADT    ACPI 6.5 §5.2
 *   INIT, start-up interrupt              SDM vol 3 §9.4.4, §11.6
 */
#include "pvh.h"
  .set TRAMPOLINE, 0x10000          /* below 1 MiB, and its number fits the vector of a start-up interrupt */
  .set LAPIC, 0xfee00000
  .set LAPIC_ID, LAPIC + 0x20
  .set LAPIC_EOI, LAPIC + 0xb0
  .set LAPIC_SPURIOUS, LAPIC + 0xf0
  .set LAPIC_ICR_LOW, LAPIC + 0x300
  .set LAPIC_ICR_HIGH, LAPIC + 0x310
  .set LAPIC_ENABLED, 0x1ff         /* and vector 0xff for spurious interrupts */
  .set ICR_INIT, 0x4500             /* level asserted */
  .set ICR_START_UP, 0x4600 | (TRAMPOLINE >> 12)
  .set ICR_FIXED, 0x4000
  .set RSDP_XSDT, 24
  .set TABLE_LENGTH, 4
  .set XSDT_ENTRIES, 36
  .set MADT_ENTRIES, 44
  .set MADT_LOCAL_APIC, 0
  .set IPI_VECTOR, 0x40
  .set PROCESSORS_MAX, 64
  .set STACK_SIZE, 256
  .set SERIAL, 0x3f8
  .set EXIT_PORT, 0xf4

/* An interrupt gate to `handler` for `vector`; clobbers EAX. */
.macro set_gate vector, handler
  mov $\handler, %eax
  mov %ax, idt + 8 * \vector
  movw $0x08, idt + 8 * \vector + 2
  movw $0x8e00, idt + 8 * \vector + 4
  shr $16, %eax
  mov %ax, idt + 8 * \vector + 6
.endm

  cld
  mov $stacks_end, %esp
#ifdef FIND_MODULE
  mov 16(%ebx), %esi                /* hvm_start_info.modlist_paddr */
  mov (%esi), %eax
  mov %eax, module
#endif
  mov 32(%ebx), %ebx                /* hvm_start_info.rsdp_paddr: tables lie below 4 GiB here */
  test %ebx, %ebx
  jz no_acpi
  cmpl $0x20445352, (%ebx)          /* "RSD " */
  jne no_acpi
  cmpl $0x20525450, 4(%ebx)         /* "PTR " */
  jne no_acpi
  mov RSDP_XSDT(%ebx), %ebx
  cmpl $0x54445358, (%ebx)          /* "XSDT" */
  jne no_acpi
  mov TABLE_LENGTH(%ebx), %ecx
  add %ebx, %ecx
  add $XSDT_ENTRIES, %ebx
find_madt:
  cmp %ecx, %ebx
  jae no_acpi
  mov (%ebx), %esi
  add $8, %ebx
  cmpl $0x43495041, (%esi)          /* "APIC" */
  jne find_madt

  mov TABLE_LENGTH(%esi), %ecx
  add %esi, %ecx
  add $MADT_ENTRIES, %esi
next_structure:
  cmp %ecx, %esi
  jae start_processors
  cmpb $MADT_LOCAL_APIC, (%esi)
  jne skip_structure
  testl $1, 4(%esi)                 /* enabled */
  jz skip_structure
  mov count, %eax
  cmp $PROCESSORS_MAX, %eax
  jae start_processors
  movzbl 3(%esi), %edx
  mov %dl, ids(%eax)
  incl count
skip_structure:
  movzbl 1(%esi), %eax
  add %eax, %esi
  jmp next_structure

start_processors:
  set_gate IPI_VECTOR, on_ipi
  movl $LAPIC_ENABLED, LAPIC_SPURIOUS
  lgdt gdt_register
  ljmp $0x08, $1f                   /* what PVH left in the segment registers is in no table of ours */
1:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  lidt idt_register
  mov $trampoline, %esi
  mov $TRAMPOLINE, %edi
  mov $trampoline_end - trampoline, %ecx
  rep movsb
  mov LAPIC_ID, %edi
  shr $24, %edi
  call say_id
  xor %ebx, %ebx
next_processor:
  cmp count, %ebx
  jae all_started
#ifdef LAST_STARTED
  cmp $LAST_STARTED, %ebx
  ja all_started
#endif
  movzbl ids(%ebx), %edx
  inc %ebx
  cmp %edi, %edx
  je next_processor
  mov started, %ecx
  mov $ICR_INIT, %eax
  call send
  mov $ICR_START_UP, %eax
  call send
  mov $2000000, %eax                /* it may have missed the first: SDM asks for two */
1:
  cmp started, %ecx
  jne next_processor
  pause
  dec %eax
  jnz 1b
  mov $ICR_START_UP, %eax
  call send
1:
  cmp started, %ecx
  jne next_processor
  pause
  jmp 1b

/* EAX: what, to the processor in DL. */
send:
  push %edx
  shl $24, %edx
  mov %edx, LAPIC_ICR_HIGH
  mov %eax, LAPIC_ICR_LOW
  pop %edx
  ret

no_acpi:
  mov $no_acpi_text, %esi
  call say
  mov $1, %al
  mov $EXIT_PORT, %dx
  out %al, %dx
  jmp halt

halt:
  cli
  hlt
  jmp halt

/* ESI: text. One processor speaks at a time. */
say:
  lock btsl $0, speaking
  jnc 1f
  pause
  jmp say
1:
  mov $SERIAL, %dx
2:
  lodsb
  test %al, %al
  jz 3f
  out %al, %dx
  jmp 2b
3:
  movl $0, speaking
  ret

/* EDI: the APIC id, in two digits. */
say_id:
  lock btsl $0, speaking
  jnc 1f
  pause
  jmp say_id
1:
  mov %edi, %eax
  shr $4, %eax
  mov digits(%eax), %al
  mov %al, id_digits
  mov %edi, %eax
  and $15, %eax
  mov digits(%eax), %al
  mov %al, id_digits + 1
  mov $id_text, %esi
  mov $SERIAL, %dx
2:
  lodsb
  test %al, %al
  jz 3f
  out %al, %dx
  jmp 2b
3:
  movl $0, speaking
  ret

ap_protected:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $1, %eax
  lock xadd %eax, stacks_used
  imul $STACK_SIZE, %eax
  mov $stacks, %esp
  lea STACK_SIZE(%esp,%eax), %esp
  lidt idt_register
  movl $LAPIC_ENABLED, LAPIC_SPURIOUS
  mov LAPIC_ID, %edi
  shr $24, %edi
  call say_id
  lock incl started
  jmp ap_main

/* Copied to TRAMPOLINE, and entered there in real mode with CS = TRAMPOLINE / 16. */
  .code16
trampoline:
  cli
  lgdtl %cs:trampoline_gdt - trampoline
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $0x08, $ap_protected
trampoline_gdt:
  .word gdt_end - gdt - 1
  .long gdt
trampoline_end:
  .code32

  .balign 8
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff
  .quad 0x00cf93000000ffff
gdt_end:
gdt_register:
  .word gdt_end - gdt - 1
  .long gdt

  .balign 8
idt:
  .fill 256, 8, 0
idt_register:
  .word 256 * 8 - 1
  .long idt

module: .long 0
count: .long 0
started: .long 0
speaking: .long 0
stacks_used: .long 0
ids: .fill PROCESSORS_MAX, 1, 0
digits: .ascii "0123456789abcdef"
id_text: .ascii "apic "
id_digits: .ascii "..\n\0"
no_acpi_text: .asciz "FAIL smp: no ACPI tables\n"
  .balign 16
stacks:
  .fill (PROCESSORS_MAX + 1) * STACK_SIZE, 1, 0
stacks_end:


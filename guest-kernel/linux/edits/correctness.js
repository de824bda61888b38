/** What kvm_pvm's emulator of kernel mode cannot do, done otherwise. None of it changes what a guest sees on hardware. */

/** Asked for by features the processor shows to a native `cpuid`, which cannot be masked there. */
const NOT_EMULATED = [
  'XSAVE', // and with it all that is saved by it: AVX, PKU
  'SMAP', // clac, stac
  'CX16', // cmpxchg16b
  'POPCNT',
  'RDTSCP',
  'FSGSBASE',
  'RDRAND',
  'RDSEED',
  'INVPCID',
  'PCID',
  'PKU',
  'ERMS',
  'FSRM',
]

export default [
  {
    why: 'syscall from CPL3 goes to LSTAR and stays at CPL3, so that the first instruction there is a #PF: fetch (0x10) by a user (4) of a present page (1). That fault is the system call: on the stack it left, go there with the stack of the caller',
    file: 'arch/x86/entry/entry_64.S',
    anchor: 'SYM_CODE_START(entry_SYSCALL_64)\n',
    before: `SYM_CODE_START(asm_page_fault_or_syscall)
	UNWIND_HINT_IRET_REGS offset=8
	ENDBR
	cmpl	$0x15, (%rsp)
	jne	asm_exc_page_fault
	cmpq	$entry_SYSCALL_64, 8(%rsp)
	jne	asm_exc_page_fault
	movq	32(%rsp), %rsp
	jmp	entry_SYSCALL_64
SYM_CODE_END(asm_page_fault_or_syscall)

`,
  },
  {
    why: 'the gate of #PF leads to that entry',
    file: 'arch/x86/kernel/idt.c',
    anchor: `early_pf_idts[] = {
	INTG(X86_TRAP_PF,		asm_exc_page_fault)`,
    instead: `early_pf_idts[] = {
	INTG(X86_TRAP_PF,		asm_page_fault_or_syscall)`,
  },
  {
    why: 'the entry is declared for the table that names it',
    file: 'arch/x86/kernel/idt.c',
    anchor: 'static const __initconst struct idt_data early_idts[]',
    before: 'void asm_page_fault_or_syscall(void);\n\n',
  },
  {
    why: 'sysretq raises #GP: every system call returns by iretq',
    file: 'arch/x86/entry/entry_64.S',
    anchor: '	ALTERNATIVE "", "jmp	swapgs_restore_regs_and_return_to_usermode", \\\n		X86_FEATURE_XENPV',
    before: '	jmp	swapgs_restore_regs_and_return_to_usermode\n\n',
  },
  {
    why: 'int3 in kernel mode is an emulation failure: no test whether it works',
    file: 'arch/x86/kernel/alternative.c',
    anchor: '	int3_selftest();\n',
    instead: '	(void)int3_selftest;\n',
  },
  {
    why: 'the same where a triple fault is wanted: a store to where nothing is does as well',
    file: 'arch/x86/kernel/reboot.c',
    anchor: '__asm__ __volatile__("int3");',
    instead: '__asm__ __volatile__("movb $0, -4096");',
  },
  {
    why: 'fwait in kernel mode is an emulation failure, met at the first exit of a process',
    file: 'arch/x86/kernel/fpu/core.c',
    anchor: 'asm volatile("1: fwait\\n"',
    instead: 'asm volatile("1: nop\\n"',
  },
  {
    why: 'instructions that are not emulated, as if the processor had none of them; X86_BUG_FXSAVE_LEAK asks for fnclex and emms',
    file: 'arch/x86/kernel/cpu/common.c',
    anchor: '	setup_force_cpu_cap(X86_FEATURE_ALWAYS);\n',
    before: `	{
		static const u16 not_emulated[] __initconst = {
${[...NOT_EMULATED.map((name) => `X86_FEATURE_${name}`), 'X86_BUG_FXSAVE_LEAK'].map((name) => `\t\t\t${name},\n`).join('')}		};
		int i;

		for (i = 0; i < ARRAY_SIZE(not_emulated); i++)
			setup_clear_cpu_cap(not_emulated[i]);
	}

`,
  },
  {
    why: 'a tick at 250 Hz takes longer than until the next one',
    file: 'kernel/Kconfig.hz',
    anchor: '	config HZ_100\n		bool',
    before: '	config HZ_25\n		bool "25 HZ"\n',
  },
  {
    why: 'that choice is the number 25',
    file: 'kernel/Kconfig.hz',
    anchor: '	default 100 if HZ_100',
    before: '	default 25 if HZ_25\n',
  },
  {
    why: 'such a KVM does not let the TSC be set: a guest that goes on from a snapshot would find that hours had passed, and make them up second by second. How far the TSC has run on meanwhile the VMM writes behind a word that asks for it (src/machine/tsc-shift.ts)',
    file: 'arch/x86/include/asm/tsc.h',
    anchor: 'extern unsigned int tsc_khz;\n',
    after: '\n#define tsc_shift() READ_ONCE(*(u64 *)__va(0x4f8))\n',
  },
  {
    why: 'the word that asks for it',
    file: 'arch/x86/kernel/tsc.c',
    anchor: 'static u64 read_tsc(struct clocksource *cs)\n',
    before: `static int __init ask_for_tsc_shift(void)
{
	memcpy(__va(0x4f0), "TSCSHIFT", 8);
	return 0;
}
early_initcall(ask_for_tsc_shift);

`,
  },
  {
    why: 'the clock goes without it',
    file: 'arch/x86/kernel/tsc.c',
    anchor: '	return (u64)rdtsc_ordered();\n',
    instead: '	return (u64)rdtsc_ordered() - tsc_shift();\n',
  },
  {
    why: 'the clock of the scheduler goes without it as well',
    file: 'arch/x86/kernel/tsc.c',
    anchor: 'u64 tsc_now = rdtsc();',
    instead: 'u64 tsc_now = rdtsc() - tsc_shift();',
  },
  {
    why: 'and that of programs, who read the TSC themselves: its last reading is given to them as they will see it',
    file: 'kernel/time/vsyscall.c',
    anchor: '= tk->tkr_mono.cycle_last;',
    instead: '= tk->tkr_mono.cycle_last + tsc_shift();',
  },
  {
    why: 'the same for the clock that is not adjusted',
    file: 'kernel/time/vsyscall.c',
    anchor: '= tk->tkr_raw.cycle_last;',
    instead: '= tk->tkr_raw.cycle_last + tsc_shift();',
  },
]

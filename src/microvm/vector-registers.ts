/**
 * On a KVM that emulates kernel mode our Linux can keep only the SSE registers of a program: XSAVE is missing there, and
 * yet programs see AVX, since `cpuid` shows them the host's. Two programs at a time would spoil each other's upper halves,
 * so glibc is asked to leave AVX alone. glibc manual, "Hardware Capability Tunables"
 */
import type { RunSpec } from '../instance/run-spec.ts'
import { linuxFlavour } from './guest-linux.ts'

const WITHOUT_AVX = 'GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Usable,-AVX2_Usable,-AVX_Fast_Unaligned_Load'

/** What a program's environment begins with; what the user says comes after it, and wins. */
export const vectorEnvironment = ({ kernel }: Pick<RunSpec, 'kernel'>, flavour = linuxFlavour()): readonly string[] =>
  kernel === undefined && flavour === 'software-kvm' ? [WITHOUT_AVX] : []

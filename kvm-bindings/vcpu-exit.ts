/**
 * The kvm_run page as a tagged union: what the guest did that user space must answer (api.rst §5).
 *
 * The hottest path there is: one small object per exit, no bigint for port and memory-mapped I/O, and the data arrays
 * are made once per access size. All `data` are live views of the page: an `in` or a read is answered by writing
 * there, and the next KVM_RUN overwrites them.
 */
import { KVM_INTERNAL_ERROR_EMULATION } from './constants.ts'
import * as REASON from './exit-reasons.ts'
import { kvmRun } from './structs/kvm-run.ts'

export { exitReasonName, exitReasonSentence } from './exit-reasons.ts'

/** `reason` is `kvm_run.exit_reason` as it came. */
export type VcpuExit = { readonly reason: number } & (
  | {
      readonly kind: 'io'
      readonly direction: 'in' | 'out'
      readonly port: number
      /** Bytes per access: 1, 2 or 4. */
      readonly size: number
      /** Accesses in one go, by a string instruction; `data` holds them one after the other. */
      readonly count: number
      readonly data: Uint8Array
    }
  | { readonly kind: 'mmioRead'; readonly gpa: number; readonly data: Uint8Array }
  | { readonly kind: 'mmioWrite'; readonly gpa: number; readonly data: Uint8Array }
  | { readonly kind: 'hlt' | 'shutdown' | 'interrupted' | 'irqWindowOpen' | 'dirtyRingFull' | 'busLock' | 'nmi' }
  | { readonly kind: 'failEntry'; readonly hardwareReason: bigint; readonly cpu: number }
  | {
      readonly kind: 'internalError'
      readonly suberror: number
      readonly data: readonly bigint[]
      /** The instruction that could not be emulated, where KVM tells. */
      readonly insnBytes?: Uint8Array
    }
  | { readonly kind: 'systemEvent'; readonly type: number; readonly data: readonly bigint[] }
  | {
      readonly kind: 'debug'
      readonly exception: number
      readonly pc: bigint
      readonly dr6: bigint
      readonly dr7: bigint
    }
  | { readonly kind: 'exception'; readonly exception: number; readonly errorCode: number }
  | { readonly kind: 'hypercall'; readonly nr: bigint; readonly args: readonly bigint[]; readonly longMode: boolean }
  /** Answered by VcpuFd.answerMsr. */
  | { readonly kind: 'rdmsr'; readonly index: number; readonly msrReason: number }
  | { readonly kind: 'wrmsr'; readonly index: number; readonly msrReason: number; readonly value: bigint }
  | { readonly kind: 'tprAccess'; readonly rip: bigint; readonly isWrite: boolean }
  | { readonly kind: 'ioapicEoi'; readonly vector: number }
  | { readonly kind: 'notify'; readonly flags: number }
  | { readonly kind: 'unknown'; readonly hardwareReason: bigint }
)

const at = kvmRun.offsetOf
const io = kvmRun.fields.io.offsetOf
const mmio = kvmRun.fields.mmio.offsetOf

// Indices into views of the page by element size: the page is page-aligned, so every field is aligned in them.
const EXIT_REASON_32 = at.exit_reason / 4
const IO_DIRECTION = at.io + io.direction
const IO_SIZE = at.io + io.size
const IO_PORT_16 = (at.io + io.port) / 2
const IO_COUNT_32 = (at.io + io.count) / 4
const IO_DATA_OFFSET_32 = (at.io + io.data_offset) / 4
const MMIO_GPA_32 = (at.mmio + mmio.phys_addr) / 4
const MMIO_DATA = at.mmio + mmio.data
const MMIO_LEN_32 = (at.mmio + mmio.len) / 4
const MMIO_IS_WRITE = at.mmio + mmio.is_write

const EMULATION_FLAG_INSTRUCTION_BYTES = 1n
/** A data array is kept for each length up to this; string instructions may ask for more. */
const KEPT_LENGTH = 8

export class ExitDecoder {
  readonly #u8: Uint8Array
  readonly #u16: Uint16Array
  readonly #u32: Uint32Array
  readonly #mmioData: readonly Uint8Array[]
  #ioDataOffset = -1
  #ioData: Uint8Array[] = []

  /** The page must stay mapped for as long as the decoder or anything it returned is used. */
  constructor(page: Uint8Array) {
    this.#u8 = page
    this.#u16 = new Uint16Array(page.buffer, page.byteOffset, page.length / 2)
    this.#u32 = new Uint32Array(page.buffer, page.byteOffset, page.length / 4)
    this.#mmioData = Array.from({ length: KEPT_LENGTH + 1 }, (_, len) => page.subarray(MMIO_DATA, MMIO_DATA + len))
  }

  decode(): VcpuExit {
    const reason = this.#u32[EXIT_REASON_32] as number
    if (reason === REASON.KVM_EXIT_IO) return this.#io(reason)
    if (reason === REASON.KVM_EXIT_MMIO) return this.#mmio(reason)
    return decodeRareExit(reason, this.#u8)
  }

  #io(reason: number): VcpuExit {
    const size = this.#u8[IO_SIZE] as number
    const count = this.#u32[IO_COUNT_32] as number
    return {
      reason,
      kind: 'io',
      direction: this.#u8[IO_DIRECTION] === 0 ? 'in' : 'out',
      port: this.#u16[IO_PORT_16] as number,
      size,
      count,
      data: this.#ioBytes(this.#u32[IO_DATA_OFFSET_32] as number, size * count),
    }
  }

  #ioBytes(offset: number, length: number): Uint8Array {
    if (length > KEPT_LENGTH) return this.#u8.subarray(offset, offset + length)
    if (offset !== this.#ioDataOffset) {
      this.#ioDataOffset = offset
      this.#ioData = Array.from({ length: KEPT_LENGTH + 1 }, (_, len) => this.#u8.subarray(offset, offset + len))
    }
    return this.#ioData[length] as Uint8Array
  }

  #mmio(reason: number): VcpuExit {
    // A guest-physical address has at most 52 bits (SDM vol 3 §4.1.4): always a safe integer.
    const gpa = (this.#u32[MMIO_GPA_32 + 1] as number) * 0x1_0000_0000 + (this.#u32[MMIO_GPA_32] as number)
    if (!Number.isSafeInteger(gpa)) throw new RangeError('KVM_EXIT_MMIO gave an address of more than 53 bits')
    const data = this.#mmioData[Math.min(this.#u32[MMIO_LEN_32] as number, KEPT_LENGTH)] as Uint8Array
    return this.#u8[MMIO_IS_WRITE] === 0
      ? { reason, kind: 'mmioRead', gpa, data }
      : { reason, kind: 'mmioWrite', gpa, data }
  }
}

/** An exit that no device answers: read through the layout, at leisure. */
function decodeRareExit(reason: number, page: Uint8Array): VcpuExit {
  const run = kvmRun.view(page)
  switch (reason) {
    case REASON.KVM_EXIT_HLT:
      return { reason, kind: 'hlt' }
    case REASON.KVM_EXIT_SHUTDOWN:
      return { reason, kind: 'shutdown' }
    case REASON.KVM_EXIT_INTR:
      return { reason, kind: 'interrupted' }
    case REASON.KVM_EXIT_IRQ_WINDOW_OPEN:
      return { reason, kind: 'irqWindowOpen' }
    case REASON.KVM_EXIT_DIRTY_RING_FULL:
      return { reason, kind: 'dirtyRingFull' }
    case REASON.KVM_EXIT_X86_BUS_LOCK:
      return { reason, kind: 'busLock' }
    case REASON.KVM_EXIT_NMI:
      return { reason, kind: 'nmi' }
    case REASON.KVM_EXIT_FAIL_ENTRY: {
      const { hardware_entry_failure_reason: hardwareReason, cpu } = run.fail_entry
      return { reason, kind: 'failEntry', hardwareReason, cpu }
    }
    case REASON.KVM_EXIT_INTERNAL_ERROR:
      return internalError(reason, page)
    case REASON.KVM_EXIT_SYSTEM_EVENT: {
      const { type, ndata, data } = run.system_event
      return { reason, kind: 'systemEvent', type, data: data.slice(0, ndata) }
    }
    case REASON.KVM_EXIT_DEBUG: {
      const { exception, pc, dr6, dr7 } = run.debug.arch
      return { reason, kind: 'debug', exception, pc, dr6, dr7 }
    }
    case REASON.KVM_EXIT_EXCEPTION:
      return { reason, kind: 'exception', exception: run.ex.exception, errorCode: run.ex.error_code }
    case REASON.KVM_EXIT_HYPERCALL: {
      const { nr, args, longmode } = run.hypercall
      return { reason, kind: 'hypercall', nr, args, longMode: longmode !== 0 }
    }
    case REASON.KVM_EXIT_X86_RDMSR:
      return { reason, kind: 'rdmsr', index: run.msr.index, msrReason: run.msr.reason }
    case REASON.KVM_EXIT_X86_WRMSR:
      return { reason, kind: 'wrmsr', index: run.msr.index, msrReason: run.msr.reason, value: run.msr.data }
    case REASON.KVM_EXIT_TPR_ACCESS:
      return { reason, kind: 'tprAccess', rip: run.tpr_access.rip, isWrite: run.tpr_access.is_write !== 0 }
    case REASON.KVM_EXIT_IOAPIC_EOI:
      return { reason, kind: 'ioapicEoi', vector: run.eoi.vector }
    case REASON.KVM_EXIT_NOTIFY:
      return { reason, kind: 'notify', flags: run.notify.flags }
    default:
      return { reason, kind: 'unknown', hardwareReason: run.hw.hardware_exit_reason }
  }
}

function internalError(reason: number, page: Uint8Array): VcpuExit {
  const run = kvmRun.view(page)
  const { suberror, ndata } = run.internal
  const data = run.internal.data.slice(0, ndata)
  const failure = run.emulation_failure
  // The flags word and the two words with the instruction are there only when ndata counts them.
  const told = suberror === KVM_INTERNAL_ERROR_EMULATION && ndata >= 3
  if (!told || (failure.flags & EMULATION_FLAG_INSTRUCTION_BYTES) === 0n) {
    return { reason, kind: 'internalError', suberror, data }
  }
  const insnBytes = failure.insn_bytes.slice(0, failure.insn_size)
  return { reason, kind: 'internalError', suberror, data, insnBytes }
}

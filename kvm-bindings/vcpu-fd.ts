/**
 * One virtual CPU: its registers and state by ioctl, its kvm_run page, and KVM_RUN.
 *
 * One thread at a time may be inside KVM_RUN; every other call here waits in the kernel until that one is out.
 */
import { EAGAIN, EINTR } from './constants.ts'
import { close, ioctl, ioctlAsync, ioctlOnce, munmap, SyscallError, viewMemory } from './ffi.ts'
import type { Encodable, Fields, Struct, StructInit, StructValue } from './layout.ts'
import * as request from './requests.ts'
import { type CpuidEntry, cpuid, KVM_MAX_CPUID_ENTRIES } from './structs/cpuid.ts'
import { type Debugregs, debugregs, type GuestDebug, guestDebug } from './structs/debug.ts'
import { type Fpu, fpu, type Xcr, type xcr, xcrs, xsave } from './structs/fpu.ts'
import { lapicState } from './structs/irqchip.ts'
import { kvmRun } from './structs/kvm-run.ts'
import { type MsrEntry, type MsrInit, msrs } from './structs/msr.ts'
import { type Regs, regs } from './structs/regs.ts'
import { signalMaskHeader } from './structs/signal-mask.ts'
import { type Sregs, sregs } from './structs/sregs.ts'
import { mpState, type VcpuEvents, vcpuEvents } from './structs/vcpu-events.ts'
import { enableCap, translation } from './structs/vm-state.ts'
import { ExitDecoder, type VcpuExit } from './vcpu-exit.ts'

/** What another thread needs to know of a vCPU: plain values that a Worker can be sent. */
export interface VcpuHandle {
  readonly fd: number
  readonly id: number
  readonly runPageAddress: bigint
  readonly runPageSize: number
  readonly xsaveSize?: number
}

/** `interrupted`: by a signal, by immediate_exit, or before the vCPU was ever started; exit() has nothing to say. */
export type RunOutcome = 'exit' | 'interrupted'

export interface Translation {
  readonly valid: boolean
  readonly physicalAddress: bigint
  readonly writeable: boolean
  readonly usermode: boolean
}

/** Structs of a vCPU's state that are kept as they are, and the requests that read and write them. */
const STATE_PARTS = {
  regs: { layout: regs, get: request.KVM_GET_REGS, set: request.KVM_SET_REGS },
  sregs: { layout: sregs, get: request.KVM_GET_SREGS, set: request.KVM_SET_SREGS },
  xcrs: { layout: xcrs, get: request.KVM_GET_XCRS, set: request.KVM_SET_XCRS },
  debugregs: { layout: debugregs, get: request.KVM_GET_DEBUGREGS, set: request.KVM_SET_DEBUGREGS },
  lapic: { layout: lapicState, get: request.KVM_GET_LAPIC, set: request.KVM_SET_LAPIC },
  events: { layout: vcpuEvents, get: request.KVM_GET_VCPU_EVENTS, set: request.KVM_SET_VCPU_EVENTS },
} as const
export type StatePart = keyof typeof STATE_PARTS

export const XSAVE_SIZE = xsave.size
const IMMEDIATE_EXIT = kvmRun.offsetOf.immediate_exit
const KVM_RUN = request.KVM_RUN.number

export class VcpuFd {
  readonly fd: number
  readonly id: number
  readonly runPageAddress: bigint
  readonly runPageSize: number
  readonly #runPage: Uint8Array
  readonly #xsaveSize: number
  readonly #owned: boolean
  readonly #exits: ExitDecoder
  #state: 'idle' | 'running' | 'closed' = 'idle'

  private constructor(handle: VcpuHandle, owned: boolean) {
    this.fd = handle.fd
    this.id = handle.id
    this.runPageAddress = handle.runPageAddress
    this.runPageSize = handle.runPageSize
    this.#runPage = new Uint8Array(viewMemory(handle.runPageAddress, handle.runPageSize))
    this.#xsaveSize = handle.xsaveSize ?? XSAVE_SIZE
    this.#owned = owned
    this.#exits = new ExitDecoder(this.#runPage)
  }

  /** Takes the descriptor and the mapping over: close() gives both back. For VmFd.createVcpu. */
  static own(handle: VcpuHandle): VcpuFd {
    return new VcpuFd(handle, true)
  }

  /** A second object for a vCPU that another thread owns and keeps open for as long as this one is used. */
  static adopt(handle: VcpuHandle): VcpuFd {
    return new VcpuFd(handle, false)
  }

  /** The kvm_run mapping. It dies with the vCPU: no view of it may be used after close(). */
  get runPage(): Uint8Array {
    if (this.#state === 'closed') throw this.#cannot('look at')
    return this.#runPage
  }

  // ---- running ----

  /** Enters the guest on the calling thread and returns when user space is needed. */
  run(): RunOutcome {
    if (this.#state !== 'idle') throw this.#cannot('run')
    const result = ioctlOnce(this.fd, KVM_RUN)
    if (result >= 0) return 'exit'
    return this.#interruptedOrThrow(-result)
  }

  /** The same on a thread of libuv's pool; `done` runs on the event loop. One call at a time. */
  runAsync(done: (outcome: RunOutcome, error?: SyscallError) => void): void {
    if (this.#state !== 'idle') throw this.#cannot('run')
    this.#state = 'running'
    ioctlAsync(this.fd, KVM_RUN, 0, (result, errno) => {
      this.#state = 'idle'
      if (result >= 0) done('exit')
      else if (errno === EINTR || errno === EAGAIN) done('interrupted')
      else done('interrupted', new SyscallError('ioctl KVM_RUN', errno))
    })
  }

  /** What the last run() ended with; call it once per exit, before the next run. Its buffers are live. */
  exit(): VcpuExit {
    if (this.#state !== 'idle') throw this.#cannot('read the exit of')
    return this.#exits.decode()
  }

  /**
   * While on, KVM_RUN completes the pending I/O and comes back at once. Any thread may set it; to get a vCPU out of
   * the guest, set it and then send a signal to the thread inside.
   */
  set immediateExit(on: boolean) {
    Atomics.store(this.runPage, IMMEDIATE_EXIT, on ? 1 : 0)
  }

  get immediateExit(): boolean {
    return Atomics.load(this.runPage, IMMEDIATE_EXIT) !== 0
  }

  /** Answers a `rdmsr` or `wrmsr` exit: the value read (ignored for a write), or 'fault' for a #GP in the guest. */
  answerMsr(answer: bigint | 'fault'): void {
    const { msr } = kvmRun.view(this.runPage)
    msr.error = answer === 'fault' ? 1 : 0
    if (answer !== 'fault') msr.data = answer
  }

  // ---- registers and state ----

  /** A part of the state as KVM's own bytes: for whoever only keeps it. */
  getState(part: StatePart): Uint8Array {
    const { layout, get } = STATE_PARTS[part]
    const payload = new Uint8Array(layout.size)
    this.#request(get, payload)
    return payload
  }

  setState(part: StatePart, bytes: Uint8Array): void {
    const { layout, set } = STATE_PARTS[part]
    if (bytes.length !== layout.size) {
      throw new RangeError(`Cannot set ${part} of vcpu ${this.id}: ${bytes.length} bytes given, ${layout.size} needed.`)
    }
    this.#request(set, bytes)
  }

  getRegs(): Regs {
    return this.#get(request.KVM_GET_REGS, regs)
  }

  setRegs(value: Regs): void {
    this.#set(request.KVM_SET_REGS, regs, value)
  }

  getSregs(): Sregs {
    return this.#get(request.KVM_GET_SREGS, sregs)
  }

  setSregs(value: Sregs): void {
    this.#set(request.KVM_SET_SREGS, sregs, value)
  }

  getFpu(): Fpu {
    return this.#get(request.KVM_GET_FPU, fpu)
  }

  setFpu(value: Fpu): void {
    this.#set(request.KVM_SET_FPU, fpu, value)
  }

  /** The raw area; larger than 4096 bytes where KVM_CAP_XSAVE2 says so. */
  getXsave(): Uint8Array {
    const area = new Uint8Array(this.#xsaveSize)
    this.#request(this.#xsaveSize > XSAVE_SIZE ? request.KVM_GET_XSAVE2 : request.KVM_GET_XSAVE, area)
    return area
  }

  setXsave(area: Uint8Array): void {
    if (area.length !== this.#xsaveSize) {
      throw new RangeError(
        `Cannot set xsave of vcpu ${this.id}: ${area.length} bytes given, ${this.#xsaveSize} needed.`,
      )
    }
    this.#request(request.KVM_SET_XSAVE, area)
  }

  getXcrs(): Xcr[] {
    const { nr_xcrs: count, xcrs: list } = this.#get(request.KVM_GET_XCRS, xcrs)
    return list.slice(0, count)
  }

  setXcrs(list: readonly Encodable<typeof xcr>[]): void {
    this.#set(request.KVM_SET_XCRS, xcrs, { nr_xcrs: list.length, flags: 0, xcrs: list })
  }

  getVcpuEvents(): VcpuEvents {
    return this.#get(request.KVM_GET_VCPU_EVENTS, vcpuEvents)
  }

  setVcpuEvents(value: VcpuEvents): void {
    this.#set(request.KVM_SET_VCPU_EVENTS, vcpuEvents, value)
  }

  getDebugregs(): Debugregs {
    return this.#get(request.KVM_GET_DEBUGREGS, debugregs)
  }

  setDebugregs(value: Debugregs): void {
    this.#set(request.KVM_SET_DEBUGREGS, debugregs, value)
  }

  /** One of KVM_MP_STATE_*. */
  getMpState(): number {
    return this.#get(request.KVM_GET_MP_STATE, mpState).mp_state
  }

  setMpState(state: number): void {
    this.#set(request.KVM_SET_MP_STATE, mpState, { mp_state: state })
  }

  /** The local APIC's 1024 bytes of registers. */
  getLapic(): Uint8Array {
    return this.#get(request.KVM_GET_LAPIC, lapicState).regs
  }

  setLapic(registers: Uint8Array): void {
    this.#set(request.KVM_SET_LAPIC, lapicState, { regs: registers })
  }

  /** KVM stops at the first MSR it cannot read: fewer entries than asked end just before that one. */
  getMsrs(indices: readonly number[]): MsrEntry[] {
    const payload = msrs.encode(indices.map((index) => ({ index, data: 0n })))
    const read = this.#request(request.KVM_GET_MSRS, payload)
    return msrs.decode(payload).slice(0, read)
  }

  /** @returns how many were set: KVM stops at the first it refuses. */
  setMsrs(entries: readonly MsrInit[]): number {
    return this.#request(request.KVM_SET_MSRS, msrs.encode(entries))
  }

  getCpuid2(): CpuidEntry[] {
    const buffer = cpuid.allocate(KVM_MAX_CPUID_ENTRIES)
    this.#request(request.KVM_GET_CPUID2, buffer)
    const entries = cpuid.decode(buffer)
    // Linux 6.1 leaves `nent` as large as it was given: zeros follow, and a leaf 0 of zeros does not exist.
    const last = entries.findLastIndex(({ function: leaf, eax }) => leaf !== 0 || eax !== 0)
    return entries.slice(0, last + 1)
  }

  setCpuid2(entries: readonly CpuidEntry[]): void {
    this.#request(request.KVM_SET_CPUID2, cpuid.encode(entries))
  }

  getTscKhz(): number {
    return this.#request(request.KVM_GET_TSC_KHZ, 0)
  }

  setTscKhz(khz: number): void {
    this.#request(request.KVM_SET_TSC_KHZ, khz)
  }

  /** Says that the vCPU stood still: its guest's watchdogs forgive the time. EINVAL for a guest without kvm-clock. */
  kvmclockCtrl(): void {
    this.#request(request.KVM_KVMCLOCK_CTRL, 0)
  }

  setGuestDebug(value: GuestDebug): void {
    this.#set(request.KVM_SET_GUEST_DEBUG, guestDebug, value)
  }

  enableCap(capability: number, ...args: bigint[]): void {
    this.#set(request.KVM_ENABLE_CAP, enableCap, { cap: capability, flags: 0, args })
  }

  /** Signals (bit n - 1 for signal n) that stay blocked while the thread is in KVM_RUN, in place of its own mask. */
  setSignalMask(blocked: bigint): void {
    const payload = new Uint8Array(signalMaskHeader.size + 8)
    payload.set(signalMaskHeader.encode({ len: 8 }))
    new DataView(payload.buffer).setBigUint64(signalMaskHeader.size, blocked, true)
    this.#request(request.KVM_SET_SIGNAL_MASK, payload)
  }

  nmi(): void {
    this.#request(request.KVM_NMI, 0)
  }

  /** Walks the guest's page tables. */
  translate(linearAddress: bigint): Translation {
    const payload = new Uint8Array(translation.size)
    const view = translation.view(payload)
    view.linear_address = linearAddress
    this.#request(request.KVM_TRANSLATE, payload)
    return {
      valid: view.valid !== 0,
      physicalAddress: view.physical_address,
      writeable: view.writeable !== 0,
      usermode: view.usermode !== 0,
    }
  }

  /** Idempotent; nothing but a farewell for an adopted vCPU. Unmaps the run page: no thread may be in KVM_RUN. */
  close(): void {
    if (this.#state === 'closed') return
    if (this.#state === 'running') throw this.#cannot('close')
    this.#state = 'closed'
    if (!this.#owned) return
    try {
      munmap(this.runPageAddress, this.runPageSize)
    } finally {
      close(this.fd)
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** A closed vCPU's page is gone and its descriptor may be another's by now; a running one is the kernel's. */
  #cannot(what: string): Error {
    const reason = this.#state === 'closed' ? 'it is closed' : 'a thread is inside KVM_RUN; kick it first'
    return new Error(`Cannot ${what} vcpu ${this.id}: ${reason}.`)
  }

  #interruptedOrThrow(errno: number): RunOutcome {
    // EAGAIN: a vCPU that waits for its start-up interrupt was woken (api.rst KVM_RUN).
    if (errno === EINTR || errno === EAGAIN) return 'interrupted'
    throw new SyscallError('ioctl KVM_RUN', errno)
  }

  #get<F extends Fields>(what: request.Request, layout: Struct<F>): StructValue<F> {
    const payload = new Uint8Array(layout.size)
    this.#request(what, payload)
    return layout.decode(payload)
  }

  #set<F extends Fields>(what: request.Request, layout: Struct<F>, value: StructInit<F>): void {
    this.#request(what, layout.encode(value))
  }

  #request({ number, name }: request.Request, arg: Uint8Array | number): number {
    return ioctl(this.fd, number, arg, name)
  }
}

/**
 * How fast a guest runs at its highest privilege here, measured: a loop of two instructions, at CPL 0, in a VM made
 * for it. A processor with VMX or SVM runs it at full speed; a KVM without them emulates every instruction, a thousand
 * times slower, and nothing but a measurement tells.
 */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../kvm-bindings/constants.ts'
import { mmap, munmap, viewMemory } from '../../kvm-bindings/ffi.ts'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { Segment } from '../../kvm-bindings/structs/sregs.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { HostError } from '../errors.ts'

const MEMORY_SIZE = 0x10000
const CODE = 0x1000
const INSTRUCTIONS_PER_TURN = 2
/** 10 ms where instructions are emulated; what a processor does in less than a microsecond. */
const FIRST_TURNS = 10_000
/** A timing shorter than this measures the way in and out. */
const SHORTEST_MS = 4
/** The fastest of a few counts: the others had company. */
const REPEATS = 3
const MOST_TURNS = 0x4000_0000

/** `mov ecx, turns; next: dec ecx; jnz next; hlt`, 32-bit. SDM volume 2. */
const loop = (turns: number): Uint8Array => {
  const code = new Uint8Array([0xb9, 0, 0, 0, 0, 0x49, 0x75, 0xfd, 0xf4])
  new DataView(code.buffer).setUint32(1, turns, true)
  return code
}

/** @returns instructions a second. @throws SyscallError or HostError where no VM can be made. */
export function measureKernelModeSpeed(): number {
  const kvm = KvmSystem.open()
  try {
    const vm = kvm.createVm()
    try {
      return measureIn(vm)
    } finally {
      vm.close()
    }
  } finally {
    kvm.close()
  }
}

function measureIn(vm: VmFd): number {
  const address = mmap(MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  try {
    const memory = new Uint8Array(viewMemory(address, MEMORY_SIZE))
    const slot = { slot: 0, flags: 0, guest_phys_addr: 0n, memory_size: BigInt(MEMORY_SIZE), userspace_addr: address }
    vm.setUserMemoryRegion(slot)
    const vcpu = vm.createVcpu(0)
    try {
      enterProtectedMode(vcpu)
      for (let turns = FIRST_TURNS; ; turns *= 8) {
        memory.set(loop(turns), CODE)
        const ms = Math.min(...Array.from({ length: REPEATS }, () => runToHalt(vcpu)))
        if (ms >= SHORTEST_MS || turns * 8 > MOST_TURNS) return (turns * INSTRUCTIONS_PER_TURN * 1000) / ms
      }
    } finally {
      vcpu.close()
    }
  } finally {
    munmap(address, MEMORY_SIZE)
  }
}

/** @returns milliseconds. */
function runToHalt(vcpu: VcpuFd): number {
  vcpu.setRegs({ ...vcpu.getRegs(), rip: BigInt(CODE), rflags: 2n })
  const before = process.hrtime.bigint()
  while (vcpu.run() === 'interrupted');
  const ms = Number(process.hrtime.bigint() - before) / 1e6
  const { kind } = vcpu.exit()
  if (kind !== 'hlt') throw new HostError(`Cannot measure kernel mode: the guest left with ${kind} instead of hlt.`)
  return ms
}

/** 32-bit, flat, CPL 0, no paging: real mode would not do, which some processors cannot run as a guest. SDM volume 3 §10.9.1 */
function enterProtectedMode(vcpu: VcpuFd): void {
  const sregs = vcpu.getSregs()
  const flat = (segment: Segment, selector: number, type: number): Segment => ({
    ...segment,
    base: 0n,
    limit: 0xffff_ffff,
    selector,
    type,
    s: 1,
    dpl: 0,
    present: 1,
    db: 1,
    g: 1,
    l: 0,
  })
  const data = (segment: Segment): Segment => flat(segment, 0x10, 3)
  vcpu.setSregs({
    ...sregs,
    cr0: sregs.cr0 | 1n,
    cs: flat(sregs.cs, 0x08, 11),
    ds: data(sregs.ds),
    es: data(sregs.es),
    ss: data(sregs.ss),
    fs: data(sregs.fs),
    gs: data(sregs.gs),
  })
}

/**
 * Every ioctl the bindings make, one row each: number, direction, payload, the kind of descriptor it goes to and the
 * capability that announces it (none: part of the basic API). Names are those of api.rst.
 */
import { CAP } from './capabilities.ts'
import { u64 } from './layout.ts'
import { coalescedMmioZone } from './structs/coalesced-mmio.ts'
import { cpuidHeader } from './structs/cpuid.ts'
import { debugregs, guestDebug } from './structs/debug.ts'
import { ioeventfd, irqfd, irqLevel, msi } from './structs/events.ts'
import { fpu, xcrs, xsave } from './structs/fpu.ts'
import { irqchip, lapicState, pitConfig, pitState2 } from './structs/irqchip.ts'
import { dirtyLog, memoryRegion } from './structs/memory-region.ts'
import { msrListHeader, msrsHeader } from './structs/msr.ts'
import { regs } from './structs/regs.ts'
import { signalMaskHeader } from './structs/signal-mask.ts'
import { sregs } from './structs/sregs.ts'
import { mpState, vcpuEvents } from './structs/vcpu-events.ts'
import { clockData, enableCap, translation } from './structs/vm-state.ts'

export interface Request {
  readonly name: string
  /** What the second argument of ioctl(2) is. */
  readonly number: number
  readonly fd: 'system' | 'vm' | 'vcpu' | 'system or vm' | 'vm or vcpu'
  /** As the header declares it, from user space; `none` may still pass a number or, in one case, a pointer. */
  readonly direction: Direction
  /** For requests with a variable number of entries: the header in front of them. */
  readonly payload: { readonly name: string; readonly size: number } | undefined
  readonly capability: number | undefined
}

type Direction = 'none' | 'write' | 'read' | 'readWrite'

const DIRECTION_BITS = { none: 0, write: 1, read: 2, readWrite: 3 } as const
const KVMIO = 0xae

/** asm-generic/ioctl.h: direction in bits 31-30, size in 29-16, type in 15-8, number in 7-0. */
const ioctlNumber = (direction: Direction, nr: number, size: number): number =>
  ((DIRECTION_BITS[direction] << 30) | (size << 16) | (KVMIO << 8) | nr) >>> 0

function request(
  name: string,
  fd: Request['fd'],
  nr: number,
  direction: Direction = 'none',
  payload?: Request['payload'],
  capability?: number,
): Request {
  return { name, fd, number: ioctlNumber(direction, nr, payload?.size ?? 0), direction, payload, capability }
}

// The system: /dev/kvm
export const KVM_GET_API_VERSION = request('KVM_GET_API_VERSION', 'system', 0x00)
export const KVM_CREATE_VM = request('KVM_CREATE_VM', 'system', 0x01)
export const KVM_GET_MSR_INDEX_LIST = request('KVM_GET_MSR_INDEX_LIST', 'system', 0x02, 'readWrite', msrListHeader)
export const KVM_CHECK_EXTENSION = request('KVM_CHECK_EXTENSION', 'system or vm', 0x03)
export const KVM_GET_VCPU_MMAP_SIZE = request('KVM_GET_VCPU_MMAP_SIZE', 'system', 0x04)
export const KVM_GET_SUPPORTED_CPUID = request(
  'KVM_GET_SUPPORTED_CPUID',
  'system',
  0x05,
  'readWrite',
  cpuidHeader,
  CAP.KVM_CAP_EXT_CPUID,
)

// A VM
export const KVM_CREATE_VCPU = request('KVM_CREATE_VCPU', 'vm', 0x41)
export const KVM_GET_DIRTY_LOG = request('KVM_GET_DIRTY_LOG', 'vm', 0x42, 'write', dirtyLog)
export const KVM_SET_USER_MEMORY_REGION = request(
  'KVM_SET_USER_MEMORY_REGION',
  'vm',
  0x46,
  'write',
  memoryRegion,
  CAP.KVM_CAP_USER_MEMORY,
)
export const KVM_SET_TSS_ADDR = request('KVM_SET_TSS_ADDR', 'vm', 0x47, 'none', undefined, CAP.KVM_CAP_SET_TSS_ADDR)
export const KVM_SET_IDENTITY_MAP_ADDR = request(
  'KVM_SET_IDENTITY_MAP_ADDR',
  'vm',
  0x48,
  'write',
  u64,
  CAP.KVM_CAP_SET_IDENTITY_MAP_ADDR,
)
export const KVM_CREATE_IRQCHIP = request('KVM_CREATE_IRQCHIP', 'vm', 0x60, 'none', undefined, CAP.KVM_CAP_IRQCHIP)
export const KVM_IRQ_LINE = request('KVM_IRQ_LINE', 'vm', 0x61, 'write', irqLevel, CAP.KVM_CAP_IRQCHIP)
export const KVM_GET_IRQCHIP = request('KVM_GET_IRQCHIP', 'vm', 0x62, 'readWrite', irqchip, CAP.KVM_CAP_IRQCHIP)
/** The header has the direction of this one the wrong way round; the number is what counts. */
export const KVM_SET_IRQCHIP = request('KVM_SET_IRQCHIP', 'vm', 0x63, 'read', irqchip, CAP.KVM_CAP_IRQCHIP)
export const KVM_REGISTER_COALESCED_MMIO = request(
  'KVM_REGISTER_COALESCED_MMIO',
  'vm',
  0x67,
  'write',
  coalescedMmioZone,
  CAP.KVM_CAP_COALESCED_MMIO,
)
export const KVM_IRQFD = request('KVM_IRQFD', 'vm', 0x76, 'write', irqfd, CAP.KVM_CAP_IRQFD)
export const KVM_CREATE_PIT2 = request('KVM_CREATE_PIT2', 'vm', 0x77, 'write', pitConfig, CAP.KVM_CAP_PIT2)
export const KVM_IOEVENTFD = request('KVM_IOEVENTFD', 'vm', 0x79, 'write', ioeventfd, CAP.KVM_CAP_IOEVENTFD)
export const KVM_SET_CLOCK = request('KVM_SET_CLOCK', 'vm', 0x7b, 'write', clockData, CAP.KVM_CAP_ADJUST_CLOCK)
export const KVM_GET_CLOCK = request('KVM_GET_CLOCK', 'vm', 0x7c, 'read', clockData, CAP.KVM_CAP_ADJUST_CLOCK)
export const KVM_GET_PIT2 = request('KVM_GET_PIT2', 'vm', 0x9f, 'read', pitState2, CAP.KVM_CAP_PIT_STATE2)
export const KVM_SET_PIT2 = request('KVM_SET_PIT2', 'vm', 0xa0, 'write', pitState2, CAP.KVM_CAP_PIT_STATE2)
export const KVM_SIGNAL_MSI = request('KVM_SIGNAL_MSI', 'vm', 0xa5, 'write', msi, CAP.KVM_CAP_SIGNAL_MSI)
export const KVM_ENABLE_CAP = request('KVM_ENABLE_CAP', 'vm or vcpu', 0xa3, 'write', enableCap, CAP.KVM_CAP_ENABLE_CAP)

// A vCPU
export const KVM_RUN = request('KVM_RUN', 'vcpu', 0x80)
export const KVM_GET_REGS = request('KVM_GET_REGS', 'vcpu', 0x81, 'read', regs)
export const KVM_SET_REGS = request('KVM_SET_REGS', 'vcpu', 0x82, 'write', regs)
export const KVM_GET_SREGS = request('KVM_GET_SREGS', 'vcpu', 0x83, 'read', sregs)
export const KVM_SET_SREGS = request('KVM_SET_SREGS', 'vcpu', 0x84, 'write', sregs)
export const KVM_TRANSLATE = request('KVM_TRANSLATE', 'vcpu', 0x85, 'readWrite', translation)
export const KVM_GET_MSRS = request('KVM_GET_MSRS', 'vcpu', 0x88, 'readWrite', msrsHeader)
export const KVM_SET_MSRS = request('KVM_SET_MSRS', 'vcpu', 0x89, 'write', msrsHeader)
export const KVM_SET_SIGNAL_MASK = request('KVM_SET_SIGNAL_MASK', 'vcpu', 0x8b, 'write', signalMaskHeader)
export const KVM_GET_FPU = request('KVM_GET_FPU', 'vcpu', 0x8c, 'read', fpu)
export const KVM_SET_FPU = request('KVM_SET_FPU', 'vcpu', 0x8d, 'write', fpu)
export const KVM_GET_LAPIC = request('KVM_GET_LAPIC', 'vcpu', 0x8e, 'read', lapicState, CAP.KVM_CAP_IRQCHIP)
export const KVM_SET_LAPIC = request('KVM_SET_LAPIC', 'vcpu', 0x8f, 'write', lapicState, CAP.KVM_CAP_IRQCHIP)
export const KVM_SET_CPUID2 = request('KVM_SET_CPUID2', 'vcpu', 0x90, 'write', cpuidHeader, CAP.KVM_CAP_EXT_CPUID)
export const KVM_GET_CPUID2 = request('KVM_GET_CPUID2', 'vcpu', 0x91, 'readWrite', cpuidHeader, CAP.KVM_CAP_EXT_CPUID)
export const KVM_GET_MP_STATE = request('KVM_GET_MP_STATE', 'vcpu', 0x98, 'read', mpState, CAP.KVM_CAP_MP_STATE)
export const KVM_SET_MP_STATE = request('KVM_SET_MP_STATE', 'vcpu', 0x99, 'write', mpState, CAP.KVM_CAP_MP_STATE)
export const KVM_NMI = request('KVM_NMI', 'vcpu', 0x9a, 'none', undefined, CAP.KVM_CAP_USER_NMI)
export const KVM_SET_GUEST_DEBUG = request(
  'KVM_SET_GUEST_DEBUG',
  'vcpu',
  0x9b,
  'write',
  guestDebug,
  CAP.KVM_CAP_SET_GUEST_DEBUG,
)
export const KVM_GET_VCPU_EVENTS = request(
  'KVM_GET_VCPU_EVENTS',
  'vcpu',
  0x9f,
  'read',
  vcpuEvents,
  CAP.KVM_CAP_VCPU_EVENTS,
)
export const KVM_SET_VCPU_EVENTS = request(
  'KVM_SET_VCPU_EVENTS',
  'vcpu',
  0xa0,
  'write',
  vcpuEvents,
  CAP.KVM_CAP_VCPU_EVENTS,
)
export const KVM_GET_DEBUGREGS = request('KVM_GET_DEBUGREGS', 'vcpu', 0xa1, 'read', debugregs, CAP.KVM_CAP_DEBUGREGS)
export const KVM_SET_DEBUGREGS = request('KVM_SET_DEBUGREGS', 'vcpu', 0xa2, 'write', debugregs, CAP.KVM_CAP_DEBUGREGS)
export const KVM_SET_TSC_KHZ = request('KVM_SET_TSC_KHZ', 'vcpu', 0xa2, 'none', undefined, CAP.KVM_CAP_TSC_CONTROL)
export const KVM_GET_TSC_KHZ = request('KVM_GET_TSC_KHZ', 'vcpu', 0xa3, 'none', undefined, CAP.KVM_CAP_GET_TSC_KHZ)
export const KVM_KVMCLOCK_CTRL = request(
  'KVM_KVMCLOCK_CTRL',
  'vcpu',
  0xad,
  'none',
  undefined,
  CAP.KVM_CAP_KVMCLOCK_CTRL,
)
export const KVM_GET_XSAVE = request('KVM_GET_XSAVE', 'vcpu', 0xa4, 'read', xsave, CAP.KVM_CAP_XSAVE)
export const KVM_SET_XSAVE = request('KVM_SET_XSAVE', 'vcpu', 0xa5, 'write', xsave, CAP.KVM_CAP_XSAVE)
export const KVM_GET_XSAVE2 = request('KVM_GET_XSAVE2', 'vcpu', 0xcf, 'read', xsave, CAP.KVM_CAP_XSAVE2)
export const KVM_GET_XCRS = request('KVM_GET_XCRS', 'vcpu', 0xa6, 'read', xcrs, CAP.KVM_CAP_XCRS)
export const KVM_SET_XCRS = request('KVM_SET_XCRS', 'vcpu', 0xa7, 'write', xcrs, CAP.KVM_CAP_XCRS)

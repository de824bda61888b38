/**
 * The page that the kernel shares with the thread that runs a vCPU (api.rst §5, "The kvm_run structure").
 * From offset 32 on lies a union with one member per exit reason; those listed here are the ones x86 uses.
 */
import { array, at, bytes, struct, u8, u16, u32, u64, union } from '../layout.ts'
import { debugExitArch } from './debug.ts'
import { regs } from './regs.ts'
import { sregs } from './sregs.ts'
import { vcpuEvents } from './vcpu-events.ts'

const EXITS = 32

const hw = struct('kvm_run.hw', { size: 8 }, { hardware_exit_reason: u64 })
const failEntry = struct('kvm_run.fail_entry', { size: 16 }, { hardware_entry_failure_reason: u64, cpu: u32 })
const ex = struct('kvm_run.ex', { size: 8 }, { exception: u32, error_code: u32 })
const io = struct('kvm_run.io', { size: 16 }, { direction: u8, size: u8, port: u16, count: u32, data_offset: u64 })
const debug = struct('kvm_run.debug', { size: 32 }, { arch: debugExitArch })
const mmio = struct('kvm_run.mmio', { size: 24 }, { phys_addr: u64, data: bytes(8), len: u32, is_write: u8 })
const hypercall = struct(
  'kvm_run.hypercall',
  { size: 72 },
  { nr: u64, args: array(u64, 6), ret: u64, longmode: u32, pad: u32 },
)
const tprAccess = struct('kvm_run.tpr_access', { size: 16 }, { rip: u64, is_write: u32, pad: u32 })
const internal = struct('kvm_run.internal', { size: 136 }, { suberror: u32, ndata: u32, data: array(u64, 16) })
const emulationFailure = struct(
  'kvm_run.emulation_failure',
  { size: 32 },
  { suberror: u32, ndata: u32, flags: u64, insn_size: u8, insn_bytes: bytes(15) },
)
const systemEvent = struct('kvm_run.system_event', { size: 136 }, { type: u32, ndata: u32, data: array(u64, 16) })
const eoi = struct('kvm_run.eoi', { size: 1 }, { vector: u8 })
const msr = struct('kvm_run.msr', { size: 24 }, { error: u8, pad: bytes(7), reason: u32, index: u32, data: u64 })
const notify = struct('kvm_run.notify', { size: 4 }, { flags: u32 })

/** Registers that can travel in the page instead of by ioctl (api.rst KVM_CAP_SYNC_REGS). */
export const syncRegs = struct('kvm_sync_regs', { size: 520 }, { regs, sregs, events: vcpuEvents })

export const kvmRun = struct(
  'kvm_run',
  { size: 2352 },
  {
    request_interrupt_window: u8,
    immediate_exit: u8,
    padding1: bytes(6),
    exit_reason: u32,
    ready_for_interrupt_injection: u8,
    if_flag: u8,
    flags: u16,
    cr8: u64,
    apic_base: u64,
    hw: at(EXITS, hw),
    fail_entry: at(EXITS, failEntry),
    ex: at(EXITS, ex),
    io: at(EXITS, io),
    debug: at(EXITS, debug),
    mmio: at(EXITS, mmio),
    hypercall: at(EXITS, hypercall),
    tpr_access: at(EXITS, tprAccess),
    internal: at(EXITS, internal),
    emulation_failure: at(EXITS, emulationFailure),
    system_event: at(EXITS, systemEvent),
    eoi: at(EXITS, eoi),
    msr: at(EXITS, msr),
    notify: at(EXITS, notify),
    padding: at(EXITS, bytes(256)),
    kvm_valid_regs: u64,
    kvm_dirty_regs: u64,
    s: union('kvm_run.s', { size: 2048 }, { regs: syncRegs, padding: bytes(2048) }),
  },
)

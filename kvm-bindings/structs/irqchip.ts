/** The interrupt controllers and the timer that live in the kernel (api.rst KVM_GET_IRQCHIP, KVM_GET_PIT2). */
import { array, bytes, type Decoded, s64, struct, u8, u16, u32, u64, union } from '../layout.ts'

export const picState = struct(
  'kvm_pic_state',
  { size: 16 },
  {
    last_irr: u8,
    irr: u8,
    imr: u8,
    isr: u8,
    priority_add: u8,
    irq_base: u8,
    read_reg_select: u8,
    poll: u8,
    special_mask: u8,
    init_state: u8,
    auto_eoi: u8,
    rotate_on_auto_eoi: u8,
    special_fully_nested_mode: u8,
    init4: u8,
    elcr: u8,
    elcr_mask: u8,
  },
)

/** A redirection entry is a union of bit fields with its 64 bits; the bits are enough here. */
export const ioapicState = struct(
  'kvm_ioapic_state',
  { size: 216 },
  { base_address: u64, ioregsel: u32, id: u32, irr: u32, pad: u32, redirtbl: array(u64, 24) },
)

/** Which member counts is said by `chip_id`. */
const chip = union('kvm_irqchip.chip', { size: 512 }, { dummy: bytes(512), pic: picState, ioapic: ioapicState })

export const irqchip = struct('kvm_irqchip', { size: 520 }, { chip_id: u32, pad: u32, chip })

export const lapicState = struct('kvm_lapic_state', { size: 1024 }, { regs: bytes(1024) })

export const pitConfig = struct('kvm_pit_config', { size: 64 }, { flags: u32, pad: array(u32, 15) })

export const pitChannelState = struct(
  'kvm_pit_channel_state',
  { size: 24 },
  {
    count: u32,
    latched_count: u16,
    count_latched: u8,
    status_latched: u8,
    status: u8,
    read_state: u8,
    write_state: u8,
    write_latch: u8,
    rw_mode: u8,
    mode: u8,
    bcd: u8,
    gate: u8,
    count_load_time: s64,
  },
)

export const pitState2 = struct(
  'kvm_pit_state2',
  { size: 112 },
  { channels: array(pitChannelState, 3), flags: u32, reserved: array(u32, 9) },
)
export type PitState2 = Decoded<typeof pitState2>

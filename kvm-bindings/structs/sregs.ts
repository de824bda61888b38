/** Segment, descriptor-table and control registers (api.rst KVM_GET_SREGS). */
import { array, type Decoded, struct, u8, u16, u32, u64 } from '../layout.ts'

export const segment = struct(
  'kvm_segment',
  { size: 24 },
  {
    base: u64,
    limit: u32,
    selector: u16,
    type: u8,
    present: u8,
    dpl: u8,
    db: u8,
    s: u8,
    l: u8,
    g: u8,
    avl: u8,
    unusable: u8,
    padding: u8,
  },
)
export type Segment = Decoded<typeof segment>

export const dtable = struct('kvm_dtable', { size: 16 }, { base: u64, limit: u16, padding: array(u16, 3) })
export type DescriptorTable = Decoded<typeof dtable>

export const sregs = struct(
  'kvm_sregs',
  { size: 312 },
  {
    cs: segment,
    ds: segment,
    es: segment,
    fs: segment,
    gs: segment,
    ss: segment,
    tr: segment,
    ldt: segment,
    gdt: dtable,
    idt: dtable,
    cr0: u64,
    cr2: u64,
    cr3: u64,
    cr4: u64,
    cr8: u64,
    efer: u64,
    apic_base: u64,
    interrupt_bitmap: array(u64, 4),
  },
)
export type Sregs = Decoded<typeof sregs>

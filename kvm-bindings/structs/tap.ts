/** The kernel's way to ask about a network interface by name. netdevice(7) */
import { at, bytes, s32, struct, u16 } from '../layout.ts'

/** A name and one of many answers; the two that are asked for here. */
export const ifreq = struct(
  'ifreq',
  { size: 40 },
  { ifr_name: bytes(16), ifr_flags: at(16, u16), ifr_mtu: at(16, s32), ifr_map: at(16, bytes(24)) },
)

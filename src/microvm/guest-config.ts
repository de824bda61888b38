/** What the agent is told about its guest: who it is, what time it is, where its files are. */
import { randomBytes } from 'node:crypto'
import type { GuestConfig, GuestShare } from '../agent/guest-config.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { AttachedDisk, NetworkPlace } from '../vmm/attach.ts'
import { nameFiles } from './name-files.ts'
import { ROOT_SERIAL } from './root-disk.ts'

const ENTROPY_BYTES = 64

/** What makes this guest another than one that was restored from the same memory; also its time, which is now. */
type Named = Pick<RunSpec, 'name' | 'volumes'>

export const guestIdentity = (spec: Named, network: NetworkPlace | undefined): GuestConfig => ({
  clock: BigInt(Date.now()) * 1_000_000n,
  entropy: new Uint8Array(randomBytes(ENTROPY_BYTES)),
  hostname: spec.name,
  loopback: true,
  ...(network && { network: networkConfig(network.mac, network.address) }),
  files: nameFiles(spec, network),
})

export interface ConfiguredDevices {
  readonly network?: NetworkPlace | undefined
  readonly shares?: readonly GuestShare[]
  readonly root: { readonly bytes: number }
  /** In their order, which is that of their names in the guest. */
  readonly disks?: readonly AttachedDisk[]
}

/** @param exchanged it has booted with other disks */
export const guestConfig = (
  spec: Named,
  { network, shares = [], root, disks = [] }: ConfiguredDevices,
  exchanged: boolean,
): GuestConfig => ({
  ...guestIdentity(spec, network),
  root: { serial: ROOT_SERIAL, bytes: root.bytes },
  disks: exchanged ? disks.map(({ disk }, index) => ({ device: deviceName(index), bytes: disk.bytes })) : [],
  shares,
})

/** What a guest is told before it is saved for others that have the same root: nothing that is its own. */
export const rootConfig = (
  { name }: Pick<RunSpec, 'name'>,
  { root }: ConfiguredDevices,
  prefetch: readonly string[],
): GuestConfig => ({
  ...guestIdentity({ name }, undefined),
  root: { serial: ROOT_SERIAL, bytes: root.bytes },
  prefetch,
})

/** There are never as many as letters. */
const deviceName = (index: number) => `vd${String.fromCharCode(0x61 + index)}`

function networkConfig(
  mac: Uint8Array,
  { address, netmask, gateway }: NetworkPlace['address'],
): NonNullable<GuestConfig['network']> {
  return {
    mac: Buffer.from(mac)
      .toString('hex')
      .replace(/(..)(?!$)/g, '$1:'),
    address,
    prefix: prefixOf(netmask),
    gateway,
  }
}

const prefixOf = (netmask: string) =>
  netmask.split('.').reduce((bits, part) => bits + Number(part).toString(2).replaceAll('0', '').length, 0)

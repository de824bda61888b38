/**
 * The first root of a Linux guest: nothing but the agent as /init, with what a kernel of the user's own needs beside it.
 * Linux Documentation/filesystems/ramfs-rootfs-initramfs.rst
 */
import { statSync } from 'node:fs'
import { HostError } from '../errors.ts'
import { type CpioEntry, planCpio } from '../image/cpio.ts'
import type { BootModuleSource } from '../machine/boot-modules.ts'
import { initrdModule } from '../vmm/initrd.ts'

const S_IFDIR = 0o040000
const S_IFREG = 0o100000

export interface InitramfsParts {
  /** Path of the agent on the host. */
  readonly agent: string
  /** Kernel modules in the order in which the agent loads them. */
  readonly modules?: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  /** An initial RAM disk of the user's, packed or not. */
  readonly initrd?: string
}

export function initramfs({ agent, modules = [], initrd }: InitramfsParts): BootModuleSource {
  const own = planCpio([agentEntry(agent), ...moduleEntries(modules)])
  const name = 'the initial RAM disk with our agent'
  if (initrd === undefined) return { name, ...own }
  const theirs = initrdModule(initrd)
  // The kernel unpacks one archive after the other, and what comes later wins: /init is ours.
  const at = Math.ceil(theirs.size / 4) * 4
  return {
    name: `${theirs.name} with our agent`,
    size: at + own.size,
    write(into) {
      theirs.write(into.subarray(0, theirs.size))
      own.write(into.subarray(at))
    },
  }
}

function agentEntry(path: string): CpioEntry {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) {
    throw new HostError('Cannot start a microVM: the agent that runs in it is not built.', {
      hint: 'Build it in the checkout: make build.',
    })
  }
  return { path: bytes('init'), mode: S_IFREG | 0o755, content: { file: Buffer.from(path), size } }
}

function moduleEntries(modules: NonNullable<InitramfsParts['modules']>): CpioEntry[] {
  if (modules.length === 0) return []
  const order = modules.map(({ name }) => `${name}\n`).join('')
  return [
    { path: bytes('modules'), mode: S_IFDIR | 0o755 },
    { path: bytes('modules/order'), mode: S_IFREG | 0o644, content: { bytes: bytes(order) } },
    ...modules.map((module) => ({
      path: bytes(`modules/${module.name}`),
      mode: S_IFREG | 0o644,
      content: { bytes: module.bytes },
    })),
  ]
}

const bytes = (text: string) => new TextEncoder().encode(text)

/** A machine that could not be made leaves nothing behind, whichever step failed. */
import { readFileSync } from 'node:fs'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { bootGuest } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { openFds } from '../kvm-bindings/real-mode-guest.ts'

const MAPPINGS = /memfd:cloister|kvm-vcpu/
const mappings = () =>
  readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => MAPPINGS.test(line)).length

type Method = (...args: unknown[]) => unknown

/** Methods of KVM's descriptors as they are called, in order; the one with number `failing` gives EIO instead. */
async function withFailure(failing: number, work: () => Promise<unknown>): Promise<readonly string[]> {
  const calls: string[] = []
  const undo: (() => void)[] = []
  for (const { prototype } of [KvmSystem, VmFd, VcpuFd]) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (typeof value !== 'function' || name === 'constructor' || name === 'close') continue
      const original = value as Method
      const replace = (method: Method) => Object.defineProperty(prototype, name, { value: method, configurable: true })
      replace(function (this: unknown, ...args) {
        calls.push(name)
        if (calls.length === failing) throw Object.assign(new Error(`${name} gave EIO`), { code: 'EIO' })
        return original.apply(this, args)
      })
      undo.push(() => replace(original))
    }
  }
  try {
    await work()
  } finally {
    for (const restore of undo) restore()
  }
  return calls
}

kvmTestSerial('a machine that fails at any call to KVM leaves no descriptor and no mapping behind', async (t) => {
  const options = {
    cpus: 2,
    acpi: true,
    pit: true,
    memoryBytes: 16 * MIB,
    devices: [virtioRng({ fill: (bytes) => bytes.fill(0) })],
  }
  const make = async () => (await bootGuest('bare/smp', options)).machine.close()
  const steps = await withFailure(0, make)
  t.true(steps.includes('createPit2') && steps.includes('setRegs'))
  const before = { fds: openFds(), mappings: mappings() }
  for (const [index, step] of steps.entries()) {
    // Some steps are tried another way, or not needed: what counts is what stays.
    await withFailure(index + 1, () => make().catch(() => {}))
    t.deepEqual({ step, fds: openFds(), mappings: mappings() }, { step, ...before })
  }
})

/** Boots a Linux in a machine with a root disk and an entropy device: `KERNEL INITRD IMAGE MEMORY ARGUMENTS`. */
import { writeSync } from 'node:fs'
import { exitNow } from '../../kvm-bindings/ffi.ts'
import { hostRandom } from '../../src/backends/random-source.ts'
import { Reactor } from '../../src/backends/reactor.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { sizeThreadPool } from '../../src/machine/thread-pool.ts'
import { linuxFlavour } from '../../src/microvm/guest-linux.ts'
import { attachRootDisk } from '../../src/microvm/root-disk.ts'
import { initrdModule } from '../../src/vmm/initrd.ts'
import { policyMemory } from '../../src/vmm/policy-memory.ts'

const [kernel, initrd, image, memoryBytes, commandLine] = process.argv.slice(2)
const log = (line: string) => process.stderr.write(`${line}\n`)
const reactor = new Reactor((error) => log(error.message))
const root = attachRootDisk(image!, { reactor, log })
sizeThreadPool(1, reactor.threads + root.threads)
const plain = linuxFlavour() === 'standard'
const machine = await createMachine({
  memoryBytes: Number(memoryBytes),
  kernel: kernel!,
  commandLine: commandLine!,
  modules: [initrdModule(initrd!)],
  devices: [...root.devices, virtioRng(hostRandom)],
  serial: {
    sink: {
      write(bytes) {
        writeSync(1, bytes)
        return bytes.length
      },
      onDrain() {},
    },
  },
  acpi: plain,
  pit: true,
  policyMemory: policyMemory(),
  reactor,
  log,
})
machine.start()
log(`ended: ${(await machine.ended).kind}`)
await machine.close()
root.close()
await reactor.close()
exitNow(0)

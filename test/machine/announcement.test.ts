/** How a kernel is told of its devices: by its command line, by ACPI, or both; never so that it finds one twice. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { Reactor } from '../../src/backends/reactor.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { COMMAND_LINE_GPA, COMMAND_LINE_MAX, MIB, START_INFO_GPA } from '../../src/memory/memory-map.ts'
import type { Ram } from '../../src/memory/ram.ts'
import { buildElf } from '../helpers/elf-builder.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const SEGMENT_OFFSET = 0x1000
const RSDP_PADDR = 32
const LINUX_BANNER = 'Linux version 6.1.0 (cc) #1 SMP'
const RSDP_SIGNATURE = 'RSD PTR '

/** What a kernel with these words in it finds when it starts. */
async function told(words: string, acpi: boolean | undefined): Promise<{ commandLine: string; rsdp: bigint }> {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-announce-'))
  const reactor = new Reactor(() => {})
  try {
    const kernel = join(directory, 'kernel.elf')
    const image = buildElf()
    image.set(Buffer.from(words), SEGMENT_OFFSET)
    writeFileSync(kernel, image)
    let ram: Ram | undefined
    const machine = await createMachine({
      reactor,
      memoryBytes: 16 * MIB,
      kernel,
      commandLine: 'quiet',
      modules: [],
      devices: [virtioRng({ fill: (bytes) => bytes.fill(0) })],
      serial: { sink: { write: (bytes) => bytes.length, onDrain() {} } },
      acpi,
      onRam: (given) => {
        ram = given
      },
    })
    const { memory } = ram!
    const commandLine = Buffer.from(memory.bytes(COMMAND_LINE_GPA, COMMAND_LINE_MAX)).toString('latin1').split('\0')[0]!
    const rsdp = memory.readU64(START_INFO_GPA + RSDP_PADDR)
    await machine.close()
    return { commandLine, rsdp }
  } finally {
    await reactor.close()
    rmSync(directory, { recursive: true })
  }
}

const WINDOW = 'virtio_mmio.device=4K@0xd0000000:5'

const tell = (
  title: string,
  words: string,
  acpi: boolean | undefined,
  expected: { commandLine: string; tables: boolean },
) =>
  kvmTestSerial(title, async (t: ExecutionContext) => {
    const { commandLine, rsdp } = await told(words, acpi)
    t.is(commandLine, expected.commandLine)
    t.is(rsdp !== 0n, expected.tables)
  })

tell('without ACPI the command line has the devices', '', undefined, { commandLine: `${WINDOW} quiet`, tables: false })
tell('a kernel of any kind has both', RSDP_SIGNATURE, true, { commandLine: `${WINDOW} quiet`, tables: true })
tell('a Linux without ACPI in it has both', LINUX_BANNER, true, { commandLine: `${WINDOW} quiet`, tables: true })
tell('a Linux that reads ACPI has the tables alone', LINUX_BANNER + RSDP_SIGNATURE, true, {
  commandLine: 'quiet',
  tables: true,
})
tell('a Linux that could read ACPI but is given none has the command line', LINUX_BANNER + RSDP_SIGNATURE, false, {
  commandLine: `${WINDOW} quiet`,
  tables: false,
})

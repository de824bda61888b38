import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootGuest, type GuestOptions, runGuest } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const RUNNERS = ['pool', 'worker'] as const

/** A guest that counts in memory for ever, and its counter, to be read before the machine is closed. */
async function bootCounter(options: GuestOptions) {
  let shared: DataView | undefined
  const module = {
    name: 'the counter',
    size: 4,
    write: ({ buffer, byteOffset }: Uint8Array) => {
      shared = new DataView(buffer, byteOffset, 4)
    },
  }
  const { machine } = await bootGuest('bare/count', { ...options, modules: [module] })
  const counter = () => shared!.getUint32(0, true)
  /** Resolves when the guest has counted on. */
  const moved = async () => {
    for (const from = counter(); counter() === from; ) await sleep(1)
  }
  return { machine, counter, moved }
}

for (const runner of RUNNERS) {
  kvmTestSerial(`a guest's serial port reaches the host (${runner} runner)`, async (t) => {
    const { end, output } = await runGuest('bare/serial-hello', { runner })
    t.regex(output, /PASS serial-hello/)
    t.is(end.kind, 'exitPort')
  })

  kvmTestSerial(`a byte written to the exit port ends the guest with that value (${runner} runner)`, async (t) => {
    const { end } = await runGuest('bare/exit-port', { runner })
    t.deepEqual(end, { kind: 'exitPort', value: 42 })
  })

  kvmTestSerial(`a guest in an endless loop is stopped from outside (${runner} runner)`, async (t) => {
    const { machine, moved } = await bootCounter({ runner })
    machine.start()
    await moved()
    machine.stop()
    t.deepEqual(await machine.ended, { kind: 'stopped' })
    await machine.close()
  })

  kvmTestSerial(`a guest in an endless loop stands still while paused, and goes on (${runner} runner)`, async (t) => {
    const { machine, counter, moved } = await bootCounter({ runner })
    machine.start()
    for (let round = 0; round < 5; round++) {
      await moved()
      await machine.pause()
      const held = counter()
      await sleep(20)
      t.is(counter(), held)
      machine.resume()
    }
    await moved()
    await machine.close()
    t.deepEqual(await machine.ended, { kind: 'stopped' })
  })
}

kvmTestSerial('a halted guest with interrupts off is stopped from outside', async (t) => {
  const { machine, output } = await bootGuest('bare/hlt-forever')
  machine.start()
  while (output() === '') await sleep(1)
  await machine.close()
  t.is((await machine.ended).kind, 'stopped')
})

kvmTestSerial('a string instruction writes every byte', async (t) => {
  const { output } = await runGuest('bare/string-io')
  t.regex(output, /PASS string-io/)
})

kvmTestSerial('the reset line of the keyboard controller ends the guest as a reset', async (t) => {
  t.deepEqual((await runGuest('bare/reset-i8042')).end, { kind: 'reset' })
})

for (const [guest, kind, what] of [
  ['triple-fault', 'died', /triple fault/],
  ['jump-nowhere', 'died', /jumped to an address where there is no memory.*rip 0xb0000000/],
  ['read-outside', 'died', /reads 4 bytes at 0xb0000000 \(nothing is there\)/],
  ['bad-instruction', 'died', /emulation failure|triple fault/],
  ['panic-port', 'panic', /its kernel gave up \(panic port\)/],
] as const) {
  kvmTestSerial(`a guest that dies (${guest}) is reported in one paragraph with rip and registers`, async (t) => {
    const { end } = await runGuest(`bare/${guest}`)
    if (end.kind !== kind) return t.fail(`it ended as ${end.kind}`)
    t.regex(end.report, what)
    t.regex(end.report, /rip 0x[0-9a-f]+/)
    t.regex(end.report, /bytes at rip: /)
    t.regex(end.report, /rax [0-9a-f]{16}/)
    t.is(/lacks this instruction/.test(end.report), /emulation failure/.test(end.report))
    t.true(end.report.split('\n').length <= 8)
    t.notRegex(end.report, /\bat .*\.js:\d+/)
  })
}

kvmTestSerial('the trace narrates every exit in the words of the KVM documentation', async (t) => {
  const lines: string[] = []
  await runGuest('bare/exit-port', { trace: (line) => lines.push(line) })
  t.regex(lines.at(-1)!, /KVM_EXIT_IO .*wrote 1 byte to port 0xf4 \(exit.*\): 0x2a/)
})

kvmTestSerial('the trace shows what the guest got for a read, and where nothing answers', async (t) => {
  const lines: string[] = []
  await runGuest('bare/read-outside', { trace: (line) => lines.push(line) })
  t.regex(lines.at(-1)!, /KVM_EXIT_MMIO .*reads 4 bytes at 0xb0000000 \(nothing is there\): 0xffffffff$/)
})

kvmTestSerial('a machine gives back every descriptor and mapping', async (t) => {
  const count = () => readdirSync('/proc/self/fd').length
  await runGuest('bare/exit-port')
  const before = count()
  for (let round = 0; round < 10; round++) await runGuest('bare/exit-port')
  t.is(count(), before)
})

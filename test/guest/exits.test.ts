import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootGuest, runGuest } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const RUNNERS = ['pool', 'worker'] as const

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
    const { machine } = await bootGuest('bare/forever', { runner })
    machine.start()
    await sleep(50)
    machine.stop()
    t.deepEqual(await machine.ended, { kind: 'stopped' })
    await machine.close()
  })

  kvmTestSerial(`a guest in an endless loop is paused and goes on (${runner} runner)`, async (t) => {
    const { machine } = await bootGuest('bare/forever', { runner })
    machine.start()
    for (let round = 0; round < 5; round++) {
      await sleep(10)
      await machine.pause()
      const used = process.cpuUsage()
      await sleep(60)
      const { user, system } = process.cpuUsage(used)
      t.true(user + system < 30_000, `a paused guest used ${user + system} us of processor time`)
      machine.resume()
    }
    await machine.close()
    t.deepEqual(await machine.ended, { kind: 'stopped' })
  })
}

kvmTestSerial('a halted guest with interrupts off is stopped from outside', async (t) => {
  const { machine } = await bootGuest('bare/hlt-forever')
  machine.start()
  await sleep(50)
  await machine.close()
  t.is((await machine.ended).kind, 'stopped')
})

kvmTestSerial('a string instruction writes every byte', async (t) => {
  const { output } = await runGuest('bare/string-io')
  t.regex(output, /PASS string-io/)
})

kvmTestSerial('a write to the panic port ends the guest as a panic', async (t) => {
  t.deepEqual((await runGuest('bare/panic-port')).end, { kind: 'panic' })
})

kvmTestSerial('the reset line of the keyboard controller ends the guest as a reset', async (t) => {
  t.deepEqual((await runGuest('bare/reset-i8042')).end, { kind: 'reset' })
})

for (const [guest, what] of [
  ['triple-fault', /triple fault/],
  ['jump-nowhere', /./],
  ['read-outside', /nobody|Nothing is there/],
  ['bad-instruction', /emulation failure|triple fault/],
] as const) {
  kvmTestSerial(`a guest that dies (${guest}) is reported in one paragraph with rip and registers`, async (t) => {
    const { end } = await runGuest(`bare/${guest}`)
    if (end.kind !== 'died') return t.fail(`it ended as ${end.kind}`)
    t.regex(end.report, what)
    t.regex(end.report, /rip 0x[0-9a-f]+/)
    t.regex(end.report, /bytes at rip: /)
    t.regex(end.report, /rax [0-9a-f]{16}/)
    t.true(end.report.split('\n').length <= 8)
    t.notRegex(end.report, /\bat .*\.js:\d+/)
  })
}

kvmTestSerial('the trace narrates every exit in the words of the KVM documentation', async (t) => {
  const lines: string[] = []
  await runGuest('bare/exit-port', { trace: (line) => lines.push(line) })
  t.regex(lines.at(-1)!, /KVM_EXIT_IO .*wrote 1 byte to port 0xf4 \(exit.*\): 0x2a/)
})

kvmTestSerial('a machine gives back every descriptor and mapping', async (t) => {
  const count = () => readdirSync('/proc/self/fd').length
  await runGuest('bare/exit-port')
  const before = count()
  for (let round = 0; round < 10; round++) await runGuest('bare/exit-port')
  t.is(count(), before)
})

/** Several vCPUs in one guest: they start by INIT and start-up interrupt, reach each other, stand still and end together. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_UNINITIALIZED } from '../../kvm-bindings/constants.ts'
import { runGuest } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { realModeGuest } from '../kvm-bindings/real-mode-guest.ts'

const RUNNERS = ['pool', 'worker'] as const
/** More than the pool of a test process holds beside the reactor go to a process of their own, below. */
const MANY = { pool: 3, worker: 4 }
/** The lab allows more time for everything, and a pause takes seconds there. */
const IN_LAB = process.env.CLOISTER_TEST_HANG_SECONDS !== undefined
const STORM_LIMIT_MS = IN_LAB ? 500_000 : 50_000

for (const runner of RUNNERS) {
  for (const cpus of [1, 2, MANY[runner]]) {
    kvmTestSerial(`a guest finds ${cpus} processors in the MADT and starts them all (${runner} runner)`, async (t) => {
      const { end, output, policy } = await runGuest('bare/smp', { runner, cpus, acpi: true })
      t.deepEqual(end, { kind: 'exitPort', value: 0 })
      t.deepEqual(output.trim().split('\n').toSorted(), [
        `PASS smp ${cpus}`,
        ...Array.from({ length: cpus }, (_, id) => `apic 0${id}`),
      ])
      t.is(policy.cpus, cpus)
    })
  }

  kvmTestSerial(`a triple fault of one vCPU ends the machine, and says which it was (${runner} runner)`, async (t) => {
    const { end } = await runGuest('bare/smp-triple-fault', { runner, cpus: 3, acpi: true })
    t.is(end.kind, 'died')
    t.regex(end.kind === 'died' ? end.report : '', /triple fault.*, at rip 0x.* mode, privilege 0, vCPU 2\.\n/)
  })

  for (const [what, rounds, expected] of [
    ['pauses', IN_LAB ? 30 : 500, { movedWhilePaused: 0, kind: 'stopped' }],
    ['stops', IN_LAB ? 2 : 12, { ends: ['stopped'] }],
  ] as const) {
    kvmTestSerial(
      `${rounds} ${what} at random moments find six busy vCPUs, and none hangs (${runner} runner)`,
      async (t) => {
        const seed = Date.now() % 2 ** 31
        t.log(`seed ${seed}`)
        t.deepEqual(await storm(runner, what, rounds, seed), expected)
      },
    )
  }
}

kvmTestSerial('a trace of several vCPUs says whose exit each line is', async (t) => {
  const lines: string[] = []
  await runGuest('bare/smp', { runner: 'pool', cpus: 2, acpi: true, trace: (line) => lines.push(line) })
  for (const vcpu of [0, 1])
    t.true(lines.some((line) => line.includes(` us  vCPU ${vcpu} `) && line.includes('KVM_EXIT_IO')))
})

kvmTestSerial('a guest without ACPI tables is told of none', async (t) => {
  const { end, output } = await runGuest('bare/smp')
  t.deepEqual(end, { kind: 'exitPort', value: 1 })
  t.regex(output, /no ACPI tables/)
})

kvmTestSerial('the first vCPU is there to run, the others wait for their start-up interrupt', (t) => {
  const guest = realModeGuest([0xf4], { prepare: (vm) => vm.createIrqchip() })
  const second = guest.vm.createVcpu(1)
  try {
    t.is(guest.vcpu.getMpState(), KVM_MP_STATE_RUNNABLE)
    t.is(second.getMpState(), KVM_MP_STATE_UNINITIALIZED)
  } finally {
    second.close()
    guest.close()
  }
})

async function storm(runner: string, what: string, rounds: number, seed: number): Promise<unknown> {
  const script = fileURLToPath(new URL('../helpers/smp-process.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, runner, what, `${rounds}`, `${seed}`], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '8', NODE_EXTRA_CA_CERTS: '' },
    timeout: STORM_LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  return JSON.parse(stdout)
}

/** Both kinds of runner, on real-mode guests of a few bytes: what a pause or a stop promises, at any moment. */
import type { ExecutionContext } from 'ava'
import type { VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { createPoolRunner } from '../../src/machine/pool-runner.ts'
import type { RunnerEvents, VcpuRunner } from '../../src/machine/vcpu-runner.ts'
import { createWorkerRunner } from '../../src/machine/worker-runner.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { MEMORY_SIZE, realModeGuest } from '../kvm-bindings/real-mode-guest.ts'

const FOREVER = [0xeb, 0xfe] // jmp $
// mov ax, 0x1000; mov ds, ax; mov eax, [0xffe]; mov [0x1ffe], eax; hlt: each access lies in two pages that are no RAM
const ACROSS_PAGES = [0xb8, 0x00, 0x10, 0x8e, 0xd8, 0x66, 0xa1, 0xfe, 0x0f, 0x66, 0xa3, 0xfe, 0x1f, 0xf4]

const KINDS: [string, (vcpu: VcpuFd, events: RunnerEvents) => VcpuRunner][] = [
  ['pool', createPoolRunner],
  ['worker', createWorkerRunner],
]

/** Answers reads with 1, 2, 3, ... and stops the vCPU when it halts. */
function recorder() {
  const log: string[] = []
  let answer = 1
  const onExit = (exit: VcpuExit): 'continue' | 'stop' => {
    if (exit.kind === 'mmioRead') for (let at = 0; at < exit.data.length; at++) exit.data[at] = answer++
    if (exit.kind !== 'mmioRead' && exit.kind !== 'mmioWrite') {
      log.push(exit.kind)
      return 'stop'
    }
    log.push(`${exit.kind} ${(exit.gpa - MEMORY_SIZE).toString(16)} ${[...exit.data]}`)
    return 'continue'
  }
  return { log, onExit }
}

const ALL_EXITS = ['mmioRead ffe 1,2', 'mmioRead 1000 3,4', 'mmioWrite 1ffe 1,2', 'mmioWrite 2000 3,4', 'hlt']

for (const [kind, createRunner] of KINDS) {
  const runnerTest = (
    title: string,
    code: readonly number[],
    body: (t: ExecutionContext, vcpu: VcpuFd) => Promise<void>,
  ) => {
    kvmTestSerial(`${title} (${kind} runner)`, async (t) => {
      const guest = realModeGuest(code)
      try {
        await body(t, guest.vcpu)
      } finally {
        guest.close()
      }
    })
  }
  const onError = (error: Error) => {
    throw error
  }
  const spin = (vcpu: VcpuFd) => {
    const runner = createRunner(vcpu, { onExit: () => 'continue', onError })
    runner.start()
    return runner
  }

  runnerTest('a pause in the middle of an instruction loses none of its accesses', ACROSS_PAGES, async (t, vcpu) => {
    const { log, onExit } = recorder()
    let pauses = 0
    await new Promise<void>((resolve) => {
      const runner = createRunner(vcpu, {
        onExit(exit) {
          const verdict = onExit(exit)
          void runner.pause().then(() => {
            pauses++
            if (verdict === 'stop') resolve()
            else runner.resume()
          })
          return verdict
        },
        onError,
      })
      runner.start()
    })
    t.deepEqual(log, ALL_EXITS)
    t.is(pauses, ALL_EXITS.length)
  })

  runnerTest('a paused vCPU has completed the instruction it was at', ACROSS_PAGES, async (t, vcpu) => {
    const { log, onExit } = recorder()
    let paused: Promise<void> | undefined
    const runner = createRunner(vcpu, {
      onExit(exit) {
        paused ??= runner.pause()
        return onExit(exit)
      },
      onError,
    })
    runner.start()
    while (!paused) await new Promise((resolve) => setImmediate(resolve))
    await paused
    t.deepEqual(log, ALL_EXITS.slice(0, 2))
    t.is(vcpu.getRegs().rax, 0x0403_0201n)
    await runner.stop()
  })

  runnerTest('a vCPU that stops at what a pause completes is stopped', ACROSS_PAGES, async (t, vcpu) => {
    const { log, onExit } = recorder()
    let paused: Promise<void> | undefined
    const runner = createRunner(vcpu, {
      onExit(exit) {
        paused ??= runner.pause()
        onExit(exit)
        return log.length === 2 ? 'stop' : 'continue'
      },
      onError,
    })
    runner.start()
    while (!paused) await new Promise((resolve) => setImmediate(resolve))
    await paused
    runner.resume()
    await runner.stop()
    t.deepEqual(log, ALL_EXITS.slice(0, 2))
  })

  runnerTest('who pauses second waits as long as who paused first', FOREVER, async (t, vcpu) => {
    const runner = spin(vcpu)
    for (let round = 0; round < 5; round++) {
      let first = false
      void runner.pause().then(() => {
        first = true
      })
      await runner.pause()
      t.true(first)
      t.is(vcpu.getRegs().rip, 0x1000n)
      runner.resume()
    }
    await runner.stop()
  })

  for (const [order, calls] of [
    ['a stop during a pause', ['pause', 'stop', 'pause', 'stop']],
    ['a pause during a stop', ['stop', 'pause', 'stop', 'pause']],
  ] as const) {
    runnerTest(`${order} ends the vCPU and settles everybody`, FOREVER, async (t, vcpu) => {
      const runner = spin(vcpu)
      const settled: string[] = []
      await Promise.all(calls.map((call) => runner[call]().then(() => settled.push(call))))
      t.deepEqual(settled.toSorted(), [...calls].sort())
      runner.resume()
      await runner.stop()
      t.notThrows(() => vcpu.close())
    })
  }

  runnerTest('a paused vCPU is stopped, by several at once', FOREVER, async (t, vcpu) => {
    const runner = spin(vcpu)
    await runner.pause()
    await Promise.all([runner.stop(), runner.stop(), runner.pause()])
    runner.resume()
    await runner.stop()
    t.notThrows(() => vcpu.close())
  })

  runnerTest('a stop from inside an exit handler is a stop', ACROSS_PAGES, async (t, vcpu) => {
    const { log, onExit } = recorder()
    let stopped: Promise<void> | undefined
    const runner = createRunner(vcpu, {
      onExit(exit) {
        stopped ??= runner.stop()
        return onExit(exit)
      },
      onError,
    })
    runner.start()
    while (!stopped) await new Promise((resolve) => setImmediate(resolve))
    await stopped
    t.true(log.length >= 1 && log.length <= 2)
    t.notThrows(() => vcpu.close())
  })
}

// next: inc al; out 0x10, al; jmp next
const COUNT_ALOUD = [0xfe, 0xc0, 0xe6, 0x10, 0xeb, 0xfa]
const COUNTED = 2000

kvmTestSerial('wake-ups that come late, when the turn has changed again, lose no exit (worker runner)', async (t) => {
  const { notify } = Atomics
  const shared = new Set<Int32Array>()
  /** As from a thread that was preempted between giving the turn away and saying so. */
  const wakeAll = () => {
    for (const turns of shared) notify(turns, 0)
  }
  const guest = realModeGuest(COUNT_ALOUD)
  const said: number[] = []
  try {
    Atomics.notify = (turns, ...rest) => {
      if (turns instanceof Int32Array) shared.add(turns)
      return notify(turns as Int32Array, ...rest)
    }
    await new Promise<void>((resolve, reject) => {
      const runner = createWorkerRunner(guest.vcpu, {
        onExit(exit) {
          said.push(exit.kind === 'io' ? exit.data[0]! : -1)
          wakeAll()
          setImmediate(wakeAll)
          if (said.length < COUNTED) return 'continue'
          void runner.stop().then(resolve)
          return 'stop'
        },
        onError: reject,
      })
      runner.start()
    })
  } finally {
    Atomics.notify = notify
    guest.close()
  }
  t.is(said.length, COUNTED)
  t.deepEqual(
    said.slice(1),
    said.slice(0, -1).map((byte) => (byte + 1) & 0xff),
  )
})

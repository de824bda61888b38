/** An instance that does what the test says and remembers what it was told. */
import type { ExitResult, Instance } from '../../src/instance/instance.ts'
import type { ClaimedInstance } from '../../src/instance/store.ts'
import { busyboxSpec } from './busybox-spec.ts'

export interface FakeInstance extends Instance {
  readonly signals: number[]
  readonly closed: () => boolean
  end(result: ExitResult): void
}

export function fakeInstance(changes: Partial<Instance> = {}): FakeInstance {
  const signals: number[] = []
  let closed = false
  let end: (result: ExitResult) => void = () => {}
  const ended = new Promise<ExitResult>((resolve) => {
    end = resolve
  })
  return {
    isolation: 'unikernel',
    phases: {},
    pids: () => [],
    start: async () => {},
    wait: () => ended,
    signal: (signo) => signals.push(signo),
    pause: async () => {},
    resume: async () => {},
    setMemory: async () => {},
    usage: () => ({ cpuTimeNs: 0, memoryBytes: 0, memoryLimitBytes: 0, tasks: 1 }),
    describe: () => ({ security: [], details: {} }),
    kill: (result) => end(result),
    close: async () => {
      closed = true
    },
    ...changes,
    signals,
    closed: () => closed,
    end,
  }
}

export interface FakeClaim extends ClaimedInstance {
  readonly finished: ExitResult[]
  readonly notes: string[]
}

/** @param directory for a control socket, if the test gets that far */
export function fakeClaim(directory = '/nowhere'): FakeClaim {
  const finished: ExitResult[] = []
  const notes: string[] = []
  return {
    name: 'web',
    directory,
    spec: busyboxSpec(['true'], { name: 'web' }),
    setPaused: (paused) => notes.push(paused ? 'paused' : 'running'),
    note: (type) => notes.push(type),
    finish: (result) => finished.push(result),
    abandon: () => {},
    finished,
    notes,
  }
}

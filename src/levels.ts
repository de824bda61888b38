/**
 * The isolation levels by name. A level is loaded when it is asked for: a container needs no KVM, and the other
 * way round.
 */
import type { ExitResult, Instance, Stdio } from './instance/instance.ts'
import type { InstanceRecord } from './instance/record.ts'
import type { Isolation, RunSpec } from './instance/run-spec.ts'
import type { Log } from './log.ts'

export interface InstanceContext {
  /** The instance's own directory, mode 0700: sockets, bundles and the like go here. */
  readonly directory: string
  readonly stdio: Stdio
  readonly log: Log
  /** This process was made to hold the instance and does nothing else: it may join a control group of its own. */
  readonly detached?: boolean
}

export interface Level {
  create(spec: RunSpec, context: InstanceContext): Instance
  /** How an instance whose Cloister process died ended, where the host knows; asked before its sweep. */
  crash?(record: InstanceRecord): ExitResult | undefined
  /** Releases what the host still holds for an instance whose Cloister process died. @returns what that was, in words. */
  sweep(name: string, directory: string): Promise<readonly string[]>
  /** Ends this process. */
  leave(status: number): void
}

const LEVELS: Readonly<Record<Isolation, () => Promise<Level>>> = {
  container: async () => {
    const { createContainer, sweepContainer } = await import('./container/container.ts')
    return {
      create: (spec, { directory, stdio, log }) =>
        createContainer(spec, { directory, stdio, log: lines(log), warn: (line) => log.warn(line) }),
      sweep: sweepContainer,
      leave: (status) => process.exit(status),
    }
  },
  unikernel: async () => {
    const { createUnikernel } = await import('./unikernel/unikernel.ts')
    const { sweepVmmCgroup, vmmCrash } = await import('./vmm/vmm-cgroup.ts')
    const { exitNow } = await import('../kvm-bindings/ffi.ts')
    const { openTrace } = await import('./trace-output.ts')
    return {
      create: (spec, { directory, stdio, log, detached = false }) =>
        createUnikernel(spec, {
          stdio,
          directory,
          detached,
          log: lines(log),
          ...(spec.trace === undefined ? {} : { trace: openTrace(spec.trace.file) }),
        }),
      crash: ({ name, directory, config }) => vmmCrash(name, directory, config.spec.memoryBytes),
      // A VM is a few descriptors and mappings of its VMM process: the host kernel released them with it.
      sweep: sweepVmmCgroup,
      leave: (status) => leaveVmm(exitNow, status),
    }
  },
  microvm: async () => {
    const { createMicrovm } = await import('./microvm/microvm.ts')
    const { sweepVmmCgroup, vmmCrash } = await import('./vmm/vmm-cgroup.ts')
    const { exitNow } = await import('../kvm-bindings/ffi.ts')
    const { openTrace } = await import('./trace-output.ts')
    return {
      create: (spec, { directory, stdio, log, detached = false }) =>
        createMicrovm(spec, {
          stdio,
          directory,
          detached,
          log: lines(log),
          warn: (line) => log.warn(line),
          ...(spec.trace === undefined ? {} : { trace: openTrace(spec.trace.file) }),
        }),
      crash: ({ name, directory, config }) => vmmCrash(name, directory, config.spec.memoryBytes),
      sweep: sweepVmmCgroup,
      leave: (status) => leaveVmm(exitNow, status),
    }
  },
}

/** process.exit waits for pool threads, and one that some fault left inside a call would never come back. */
function leaveVmm(exitNow: (status: number) => void, status: number): void {
  process.emit('exit', status)
  exitNow(status)
}

/** What a guest kernel or a runtime says in passing. */
const lines = (log: Log) => (line: string) => log.info(line)

export const loadLevel = (isolation: Isolation): Promise<Level> => LEVELS[isolation]()

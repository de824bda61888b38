/**
 * What a program sees of the host from inside each level: the probe (rootfs/probe.c) runs there and answers, and every
 * answer stands beside what that level promises.
 */

import { readlinkSync } from 'node:fs'
import { release } from 'node:os'
import { HostError } from '../errors.ts'
import { bootId } from '../host/boot-id.ts'
import type { Isolation } from '../instance/run-spec.ts'
import { probePath } from '../paths.ts'
import { startRun } from './child.ts'
import { type Compared, isolationOf, nameOf } from './compared.ts'
import type { IsolationFinding } from './comparison.ts'
import { instanceArgs, type Session } from './session.ts'

/** The keys of the probe's answer that are used here; null where the level has no such thing. */
interface ProbeAnswer {
  readonly release: string | null
  readonly processes: number | null
  readonly otherProcesses: boolean | null
  readonly mounts: number | null
  /** `mnt:[4026531841]`; namespaces(7) */
  readonly mountNamespace: string | null
  readonly kernelLogSyscall: boolean | null
  readonly kernelLogDevice: boolean | null
  readonly capabilityCount: number | null
  readonly seccomp: string | null
  /** Names in /dev of what is neither memory, randomness nor a terminal. */
  readonly otherDevices: readonly string[] | null
  readonly writableSysctls: readonly string[] | null
  readonly bootId: string | null
}

interface Probe {
  readonly question: string
  readonly expected: Readonly<Record<Isolation, string>>
  readonly words: (answer: ProbeAnswer) => string
  readonly holds: Readonly<Record<Isolation, (answer: ProbeAnswer) => boolean>>
}

const count = (value: number | null) => (value === null ? 'none' : String(value))
const all = <T>(value: T): Record<Isolation, T> => ({ container: value, unikernel: value, microvm: value })

/** Whatever it found there is a guest kernel's: the host's boot id never changes while the host is up, and is its own. */
const onOwnKernel = (answer: ProbeAnswer) =>
  answer.bootId === null ? answer.release !== release() : answer.bootId !== bootId()
const anything = () => true

/** Of devices; a distribution's kernel makes dozens. */
const NAMED_MOST = 3

/** One row a question. */
const PROBES: readonly Probe[] = [
  {
    question: 'kernel that answers uname',
    expected: { container: "the host's", unikernel: 'its own', microvm: 'its own' },
    words: (answer) => `${onOwnKernel(answer) ? 'own' : "host's"}, ${answer.release}`,
    holds: {
      container: (answer) => answer.release === release(),
      unikernel: (answer) => answer.release !== release(),
      microvm: onOwnKernel,
    },
  },
  {
    question: "the host's boot id can be read",
    expected: { container: 'yes, it is the same kernel', unikernel: 'no', microvm: 'no' },
    words: (answer) => (answer.bootId === bootId() ? 'yes' : 'no'),
    holds: {
      container: (answer) => answer.bootId === bootId(),
      unikernel: (answer) => answer.bootId !== bootId(),
      microvm: (answer) => answer.bootId !== bootId(),
    },
  },
  {
    question: 'processes in sight besides its own',
    expected: { container: 'its init only', unikernel: 'none', microvm: "its agent, and its own kernel's threads" },
    words: (answer) => (answer.otherProcesses ? `${(answer.processes ?? 1) - 1}${ofOwnKernel(answer)}` : 'none'),
    holds: {
      container: (answer) => answer.processes !== null && answer.processes <= 2,
      unikernel: (answer) => answer.otherProcesses !== true,
      microvm: onOwnKernel,
    },
  },
  {
    question: 'mounts in sight',
    expected: all('its own only'),
    words: (answer) => count(answer.mounts),
    holds: {
      container: (answer) => answer.mountNamespace !== null && answer.mountNamespace !== hostMountNamespace(),
      unikernel: (answer) => answer.mountNamespace !== hostMountNamespace(),
      // Every Linux numbers its first namespace alike.
      microvm: onOwnKernel,
    },
  },
  {
    question: "the host's kernel log can be read",
    expected: all('no'),
    words: (answer) => (!readsLog(answer) ? 'no' : onOwnKernel(answer) ? 'no, its own' : 'yes'),
    holds: { container: (answer) => !readsLog(answer), unikernel: (answer) => !readsLog(answer), microvm: onOwnKernel },
  },
  {
    question: 'sysctls that open for writing',
    expected: { container: 'none', unikernel: 'none', microvm: "its own kernel's" },
    words: (answer) => {
      const open = answer.writableSysctls?.length ?? 0
      return open === 0 ? 'none' : `${open}${ofOwnKernel(answer)}`
    },
    holds: {
      container: ({ writableSysctls }) => !writableSysctls?.length,
      unikernel: ({ writableSysctls }) => !writableSysctls?.length,
      microvm: onOwnKernel,
    },
  },
  {
    question: 'devices beside memory and terminals',
    expected: { container: 'none', unikernel: 'none', microvm: "its own machine's" },
    words: ({ otherDevices }) => {
      const names = otherDevices ?? []
      return names.length > NAMED_MOST ? `${names.length} of them` : names.join(' ') || 'none'
    },
    holds: {
      container: ({ otherDevices }) => !otherDevices?.length,
      unikernel: ({ otherDevices }) => !otherDevices?.length,
      microvm: onOwnKernel,
    },
  },
  {
    question: 'capabilities on that kernel',
    expected: {
      container: "a few, on the host's kernel",
      unikernel: 'no host capability to have',
      microvm: 'all, on its own kernel',
    },
    words: (answer) => count(answer.capabilityCount),
    holds: {
      container: (answer) => (answer.capabilityCount ?? 99) < 20,
      unikernel: anything,
      microvm: onOwnKernel,
    },
  },
  {
    question: 'system-call filter before it',
    expected: {
      container: 'filter',
      unikernel: 'none: no call reaches the host',
      microvm: 'none: no call reaches the host',
    },
    words: (answer) => answer.seccomp ?? 'none',
    holds: { container: (answer) => answer.seccomp === 'filter', unikernel: anything, microvm: onOwnKernel },
  },
]

const readsLog = (answer: ProbeAnswer) => Boolean(answer.kernelLogSyscall || answer.kernelLogDevice)
const ofOwnKernel = (answer: ProbeAnswer) => (onOwnKernel(answer) ? ' of its own' : '')
const hostMountNamespace = () => readlinkSync('/proc/self/ns/mnt')

export async function probeIsolation(session: Session): Promise<IsolationFinding[]> {
  const answers = new Map<Compared, ProbeAnswer>()
  for (const level of session.levels) {
    session.progress('isolation', `what a ${nameOf(level)} sees`)
    answers.set(level, await askProbe(level, session))
  }
  return PROBES.map(({ question, expected, words, holds }) => ({
    question,
    expected,
    seen: Object.fromEntries(
      [...answers].map(([level, answer]) => [
        level,
        { text: words(answer), asExpected: holds[isolationOf(level)](answer) },
      ]),
    ),
  }))
}

const ANSWER_MAX = 64 * 1024

async function askProbe(level: Compared, { memoryBytes, abort }: Session): Promise<ProbeAnswer> {
  const args = [...instanceArgs(level, memoryBytes), probePath, 'isolation']
  const child = startRun(args, { stdin: 'ignore', abort })
  let answer = ''
  child.process.stdout!.on('data', (bytes: Buffer) => {
    answer = (answer + bytes.toString()).slice(0, ANSWER_MAX)
  })
  const exitCode = await child.ended
  abort.throwIfAborted()
  if (exitCode !== 0) {
    throw new HostError(
      `Cannot probe the isolation of a ${nameOf(level)}: the probe ended with status ${exitCode}. ${child.errors()}`,
    )
  }
  return JSON.parse(answer) as ProbeAnswer
}

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
  readonly expected: Record<Isolation, string>
  readonly words: (answer: ProbeAnswer) => string
  readonly holds: Record<Isolation, (answer: ProbeAnswer) => boolean>
}

const count = (value: number | null) => (value === null ? 'none' : String(value))
const both = (text: string): Record<Isolation, string> => ({ container: text, unikernel: text })
const always = (holds: (answer: ProbeAnswer) => boolean) => ({ container: holds, unikernel: holds })

/** One row a question. */
const PROBES: readonly Probe[] = [
  {
    question: 'kernel that answers uname',
    expected: { container: "the host's", unikernel: 'its own' },
    words: (answer) => (answer.release === release() ? `host's, ${answer.release}` : `own, ${answer.release}`),
    holds: {
      container: (answer) => answer.release === release(),
      unikernel: (answer) => answer.release !== release(),
    },
  },
  {
    question: "the host's boot id can be read",
    expected: { container: 'yes, it is the same kernel', unikernel: 'no' },
    words: (answer) => (answer.bootId === bootId() ? 'yes' : 'no'),
    holds: {
      container: (answer) => answer.bootId === bootId(),
      unikernel: (answer) => answer.bootId !== bootId(),
    },
  },
  {
    question: 'processes in sight besides its own',
    expected: { container: 'its init only', unikernel: 'none' },
    words: (answer) => (answer.otherProcesses ? `${(answer.processes ?? 1) - 1}` : 'none'),
    holds: {
      container: (answer) => answer.processes !== null && answer.processes <= 2,
      unikernel: (answer) => answer.otherProcesses !== true,
    },
  },
  {
    question: 'mounts in sight',
    expected: { container: 'its own only', unikernel: 'its own only' },
    words: (answer) => count(answer.mounts),
    holds: {
      container: (answer) => answer.mountNamespace !== null && answer.mountNamespace !== hostMountNamespace(),
      unikernel: (answer) => answer.mountNamespace !== hostMountNamespace(),
    },
  },
  {
    question: "the host's kernel log can be read",
    expected: both('no'),
    words: (answer) => (answer.kernelLogSyscall || answer.kernelLogDevice ? 'yes' : 'no'),
    holds: always((answer) => !answer.kernelLogSyscall && !answer.kernelLogDevice),
  },
  {
    question: 'sysctls that open for writing',
    expected: both('none'),
    words: (answer) => count(answer.writableSysctls?.length ?? null),
    holds: always((answer) => (answer.writableSysctls?.length ?? 0) === 0),
  },
  {
    question: 'devices beside memory and terminals',
    expected: both('none'),
    words: (answer) => answer.otherDevices?.join(' ') || 'none',
    holds: always((answer) => !answer.otherDevices?.length),
  },
  {
    question: 'capabilities on that kernel',
    expected: { container: "a few, on the host's kernel", unikernel: 'no host capability to have' },
    words: (answer) => count(answer.capabilityCount),
    holds: { container: (answer) => (answer.capabilityCount ?? 99) < 20, unikernel: () => true },
  },
  {
    question: 'system-call filter before it',
    expected: { container: 'filter', unikernel: 'none: no call reaches the host' },
    words: (answer) => answer.seccomp ?? 'none',
    holds: { container: (answer) => answer.seccomp === 'filter', unikernel: () => true },
  },
]

const hostMountNamespace = () => readlinkSync('/proc/self/ns/mnt')

export async function probeIsolation(session: Session): Promise<IsolationFinding[]> {
  const answers = new Map<Isolation, ProbeAnswer>()
  for (const level of session.levels) {
    session.progress('isolation', `what a ${level} sees`)
    answers.set(level, await askProbe(level, session))
  }
  return PROBES.map(({ question, expected, words, holds }) => ({
    question,
    expected,
    seen: Object.fromEntries(
      [...answers].map(([level, answer]) => [level, { text: words(answer), asExpected: holds[level](answer) }]),
    ),
  }))
}

const ANSWER_MAX = 64 * 1024

async function askProbe(isolation: Isolation, { memoryBytes, abort }: Session): Promise<ProbeAnswer> {
  const args = [...instanceArgs(isolation, memoryBytes), probePath, 'isolation']
  const child = startRun(args, { stdin: 'ignore', abort })
  let answer = ''
  child.process.stdout!.on('data', (bytes: Buffer) => {
    answer = (answer + bytes.toString()).slice(0, ANSWER_MAX)
  })
  const exitCode = await child.ended
  abort.throwIfAborted()
  if (exitCode !== 0) {
    throw new HostError(
      `Cannot probe the isolation of a ${isolation}: the probe ended with status ${exitCode}. ${child.errors()}`,
    )
  }
  return JSON.parse(answer) as ProbeAnswer
}

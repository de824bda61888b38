/** Tests that need a real container: they skip with the reason where no OCI runtime can run one. */
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { createContainer } from '../../src/container/container.ts'
import { findRuntimes } from '../../src/container/runtime.ts'
import { readCgroupLayout } from '../../src/host/cgroup-layout.ts'
import type { ExitResult, Instance } from '../../src/instance/instance.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { BUSYBOX } from './busybox-spec.ts'

function reasonAgainst(): string | undefined {
  if (process.geteuid?.() !== 0) return 'containers need root'
  if (findRuntimes(readCgroupLayout()).length === 0) return 'neither runc nor crun is installed'
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is missing (apt-get install busybox-static)`
  return undefined
}

export const whyNoContainers = reasonAgainst()

type Implementation = (t: ExecutionContext) => Promise<void>

/** `test.serial` of ava, or `test.skip` with the reason in the title. */
export function containerTest(title: string, implementation: Implementation): void {
  if (whyNoContainers === undefined) anyTest.serial(title, implementation)
  else anyTest.serial.skip(`${title} (skipped: ${whyNoContainers})`, implementation)
}

/** A directory of the test's own, removed at its end. */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface StartedContainer {
  readonly instance: Instance
  /** The instance's own directory. */
  readonly directory: string
  readonly stdout: () => string
  readonly stderr: () => string
}

/** A container whose output goes to files and whose input is the given text. */
export async function startContainer(t: ExecutionContext, spec: RunSpec, input = ''): Promise<StartedContainer> {
  const base = temporaryDirectory(t)
  const directory = join(base, 'instance')
  mkdirSync(directory)
  writeFileSync(join(base, 'stdin'), input)
  const stdin = openSync(join(base, 'stdin'), 'r')
  const stdout = openSync(join(base, 'stdout'), 'w')
  const stderr = openSync(join(base, 'stderr'), 'w')
  const instance = createContainer(spec, { directory, stdio: { stdin, stdout, stderr } })
  t.teardown(async () => {
    await instance.close()
    for (const fd of [stdin, stdout, stderr]) closeSync(fd)
  })
  await instance.start()
  const read = (name: string) => () => readFileSync(join(base, name), 'utf8')
  return { instance, directory, stdout: read('stdout'), stderr: read('stderr') }
}

export interface FinishedContainer extends ExitResult {
  readonly stdout: string
  readonly stderr: string
  readonly directory: string
  readonly instance: Instance
}

export async function runContainer(t: ExecutionContext, spec: RunSpec, input = ''): Promise<FinishedContainer> {
  const { instance, directory, stdout, stderr } = await startContainer(t, spec, input)
  const result = await instance.wait()
  await instance.close()
  return { ...result, stdout: stdout(), stderr: stderr(), directory, instance }
}

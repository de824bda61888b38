/** Unikernels in the test's own process, with pipes for their streams: several at once, and some that go on from others. */
import { closeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { pipe } from '../../kvm-bindings/ffi.ts'
import type { ExitResult, Instance } from '../../src/instance/instance.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { createUnikernel } from '../../src/unikernel/unikernel.ts'

const PATIENCE_MS = 20_000

// Each keeps a thread of libuv's pool for itself, whose size is settled by its first use: room for all that a test has.
process.env.UV_THREADPOOL_SIZE = '16'
await stat('/')

export interface LiveUnikernel {
  readonly instance: Instance
  readonly name: string
  /** All that it wrote so far, to both streams. */
  output(): string
  /** Waits for it. @returns all there is by then */
  outputWith(pattern: RegExp): Promise<string>
  say(text: string): void
  endInput(): void
  /** Reads its output, or lets it wait in the pipe. */
  readOutput(wanted: boolean): void
  wait(): Promise<ExitResult>
  close(): Promise<void>
}

export function openUnikernel(t: ExecutionContext, spec: RunSpec, log?: (line: string) => void): LiveUnikernel {
  const theirs: number[] = []
  const [read, write] = pipe()
  theirs.push(write)
  const chunks: Buffer[] = []
  const output = new Socket({ fd: read, readable: true, writable: false })
  output.on('data', (bytes) => chunks.push(bytes))
  let input: Socket | undefined
  let stdin: number | undefined
  if (spec.interactive) {
    const [readEnd, writeEnd] = pipe()
    theirs.push(readEnd)
    stdin = readEnd
    input = new Socket({ fd: writeEnd, readable: false, writable: true })
    input.on('error', () => input?.destroy())
  }
  const instance = createUnikernel(spec, {
    stdio: { ...(stdin === undefined ? {} : { stdin }), stdout: write, stderr: write },
    ...(log && { log }),
  })
  const text = () => Buffer.concat(chunks).toString('latin1')
  let closing: Promise<void> | undefined
  const close = async () => {
    instance.kill({ exitCode: 137 })
    await instance.close()
    for (const fd of theirs) closeSync(fd)
    input?.destroy()
    output.destroy()
  }
  const live: LiveUnikernel = {
    instance,
    name: spec.name,
    output: text,
    async outputWith(pattern) {
      for (const deadline = Date.now() + PATIENCE_MS; !pattern.test(text()); await sleep(2)) {
        if (Date.now() > deadline)
          throw new Error(`${spec.name} has not written ${pattern}, but: ${text().slice(-400)}`)
      }
      return text()
    },
    say: (line) => void input?.write(line),
    endInput: () => void input?.end(),
    readOutput: (wanted) => void (wanted ? output.resume() : output.pause()),
    wait: () => instance.wait(),
    close() {
      closing ??= close()
      return closing
    },
  }
  t.teardown(() => live.close())
  return live
}

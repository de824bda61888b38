/** `cloister update`: what a running instance may have of memory. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import test from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { containerTest } from '../helpers/containers.ts'
import { detachedCommandLine, recordOf, starter, until } from '../helpers/detached.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const MIB = 2 ** 20
const SLEEP = [BUSYBOX, 'sleep', '600']

containerTest('a container gets another memory limit, up and down, which stats and events tell', async (t) => {
  const cloister = detachedCommandLine(t)
  await starter('container')(t, cloister, ['--memory', '64M', ...SLEEP])
  for (const [size, bytes] of [
    ['32M', 32 * MIB],
    ['96M', 96 * MIB],
  ] as const) {
    t.deepEqual(await cloister(['update', '--memory', size, 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    const [row] = JSON.parse((await cloister(['stats', '--json', 'web'])).stdout)
    t.is(row.memoryLimitBytes, bytes)
  }
  const events = (await cloister(['events', '--json', 'web'])).stdout.trimEnd().split('\n')
  t.deepEqual(
    events.map((line) => JSON.parse(line).type),
    ['create', 'update', 'update'],
  )
})

kvmTestSerial('a unikernel keeps its memory: the refusal says why and what to do', async (t) => {
  const cloister = detachedCommandLine(t)
  await starter('unikernel')(t, cloister, ['--memory', '64M', ...SLEEP])
  const { status, stdout, stderr } = await cloister(['update', '--memory', '32M', 'web'])
  t.deepEqual({ status, stdout }, { status: 1, stdout: '' })
  t.regex(stderr, /^cloister: Cannot update "web": a unikernel keeps the memory it was given\.\n {2}End it, /)
})

kvmTestSerial('a VM of the user’s own kernel is asked for memory, has a vsock socket, and leaves none', async (t) => {
  const cloister = detachedCommandLine(t)
  await starter('unikernel')(t, cloister, ['--memory', '64M', '--kernel', guestPath('bare/forever'), ...SLEEP])
  t.is((await cloister(['update', '--memory', '32M', 'web'])).status, 0)
  t.regex((await cloister(['update', '--memory', '128M', 'web'])).stderr, /it has 64 MiB, and a VM gets no more/)
  const [row] = JSON.parse((await cloister(['stats', '--json', 'web'])).stdout)
  // This one has no driver, and gives nothing back.
  t.deepEqual(row.guestMemory, { targetBytes: 32 * MIB, actualBytes: 64 * MIB })
  const [{ details, state }] = JSON.parse((await cloister(['inspect', 'web'])).stdout)
  const { path } = details.vsock as { path: string }
  const program = connect(path)
  program.on('error', () => {})
  program.write('CONNECT 22\n')
  await once(program, 'close')
  t.is(program.bytesRead, 0)
  process.kill(state.owner.pid, 'SIGKILL')
  await until(async () => (await recordOf(cloister))?.status === 'crashed')
  t.false(existsSync(path))
})

test('update wants to know what is to change, and in pieces that make sense', async (t) => {
  const cloister = commandLine(t)
  t.regex((await cloister(['update', 'web'])).stderr, /Say --memory SIZE/)
  t.regex((await cloister(['update', '--memory', '1M', 'web'])).stderr, /less than 4M/)
  t.regex((await cloister(['update', '--memory', '64M', 'nobody'])).stderr, /there is none of that name/)
})

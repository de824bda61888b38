import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ECANCELED } from '../../../kvm-bindings/constants.ts'
import { enterRing, type RingEnter } from '../../../kvm-bindings/io-uring.ts'
import { openAsyncFiles } from '../../../src/backends/disk/async-files.ts'
import { createRingFiles } from '../../../src/backends/disk/ring-files.ts'
import { Reactor } from '../../../src/backends/reactor.ts'
import { IoVector } from '../../../src/memory/io-vector.ts'

test('where io_uring cannot be watched, disks go by the thread pool and nothing of it stays open', async (t) => {
  const reactor = new Reactor((error) => t.fail(error.message))
  openAsyncFiles(reactor).close()
  const before = readdirSync('/proc/self/fd').length
  reactor.watchEventfd = () => {
    throw new Error('no room for another watch')
  }
  const files = openAsyncFiles(reactor)
  t.is(files.kind, 'thread pool')
  t.is(readdirSync('/proc/self/fd').length, before)
  files.close()
  await reactor.close()
})

/** A kernel that answers so often with an error number before it does what it is asked. */
const refusing = (errno: number, times: number) => {
  const state = { left: times, refused: 0 }
  const enter: RingEnter = (...args) => {
    if (state.left === 0 || args[1] === 0) return enterRing(...args)
    state.left--
    state.refused++
    return -errno
  }
  return { state, enter }
}

/** A file of 4 KiB sevens, and files through a ring of that kernel. */
const open = (t: ExecutionContext, { enter }: { enter: RingEnter }) => {
  const reactor = new Reactor((error) => t.fail(error.message))
  const files = createRingFiles(reactor, enter)
  reactor.start()
  const path = join(mkdtempSync(join(tmpdir(), 'cloister-ring-')), 'file')
  writeFileSync(path, new Uint8Array(4096).fill(7))
  const fd = openSync(path, 'r')
  t.teardown(async () => {
    files.close()
    await reactor.close()
    closeSync(fd)
    rmSync(dirname(path), { recursive: true })
  })
  const into = new Uint8Array(512)
  const vector = new IoVector()
  vector.pack([into])
  const read = () => new Promise<number>((resolve) => files.preadv(fd, vector, 0, resolve))
  return { files, fd, into, read }
}

for (const [name, errno] of [
  ['a kernel out of memory (EAGAIN)', 11],
  ['a full completion queue (EBUSY)', 16],
] as const) {
  test(`requests met by ${name} are neither lost nor thrown: a few attempts, then a later turn`, async (t) => {
    for (const times of [1, 100]) {
      const kernel = refusing(errno, times)
      const { files, into, read } = open(t, kernel)
      const results = [read(), read(), read()]
      t.notThrows(() => files.submit())
      if (times > 1) t.true(kernel.state.refused < 20, `${kernel.state.refused} attempts in one turn`)
      t.deepEqual(await Promise.all(results), [512, 512, 512])
      t.is(kernel.state.refused, times)
      t.is(into[511], 7)
    }
  })

  test(`a drain that meets ${name} ends: what the kernel never took is let go of`, async (t) => {
    const kernel = refusing(errno, Infinity)
    const { files, fd, into, read } = open(t, kernel)
    const other = openSync('/dev/zero', 'r')
    const kept = new Promise<number>((resolve) => files.fdatasync(other, resolve))
    const results = Array.from({ length: 300 }, read)
    files.submit()
    files.drain(fd)
    t.deepEqual(new Set(await Promise.all(results)), new Set([-ECANCELED]))
    kernel.state.left = 0
    t.true((await kept) < 0, 'requests of other files are still under way: zeros cannot be synced')
    t.is(into[0], 0, 'nothing was read after the drain')
    const again = read()
    files.submit()
    t.is(await again, 512)
    closeSync(other)
  })
}

test('what else the kernel may say to a ring is a fault of ours, and thrown', (t) => {
  const { files, read } = open(t, refusing(9, 1))
  void read()
  t.throws(() => files.submit(), { name: 'SyscallError' })
  files.submit()
})

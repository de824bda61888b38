import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants as osConstants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import * as c from '../../kvm-bindings/constants.ts'
import * as ffi from '../../kvm-bindings/ffi.ts'
import { signalAllThreads } from './threads.ts'

const PAGE = 4096
const { EBADF, ENOENT } = osConstants.errno

test('a failed call is told by name: which call, which errno', (t) => {
  const error = t.throws(() => ffi.open('/no/such/file', c.O_RDONLY), { instanceOf: ffi.SyscallError })
  t.is(error.message, 'open /no/such/file gave ENOENT')
  t.like(error, { syscall: 'open /no/such/file', errno: ENOENT, code: 'ENOENT' })
  t.throws(() => ffi.ioctl(-1, 0, 0, 'KVM_RUN'), { message: 'ioctl KVM_RUN gave EBADF' })
  t.throws(() => ffi.close(-1), { code: 'EBADF' })
  t.throws(() => ffi.mmap(PAGE, c.PROT_READ, c.MAP_SHARED, -1, 0), { code: 'EBADF' })
  t.is(ffi.ioctlOnce(-1, 0), -EBADF)
})

test('every descriptor closes on exec', (t) => {
  const fds = [ffi.open('/dev/null', c.O_RDONLY), ffi.memfdCreate('test', 0), ffi.eventfd(0, 0), ffi.epollCreate()]
  for (const fd of fds) {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
    t.is(Number.parseInt(flags as string, 8) & c.O_CLOEXEC, c.O_CLOEXEC)
    ffi.close(fd)
  }
})

test('two views of the same memory show the same bytes', (t) => {
  const fd = ffi.memfdCreate('test', 0)
  ffi.ftruncate(fd, PAGE)
  const [first, second] = [0, 0].map(() => ffi.mmap(PAGE, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED, fd, 0)) as [
    bigint,
    bigint,
  ]
  new Uint8Array(ffi.viewMemory(first, PAGE))[7] = 42
  t.is(new Uint8Array(ffi.viewMemory(second, PAGE))[7], 42)
  ffi.munmap(first, PAGE)
  ffi.munmap(second, PAGE)
  ffi.close(fd)
})

test('a view of more than 4 GiB is refused, because it would abort the process', (t) => {
  for (const length of [2 ** 32 + 1, -1, Number.NaN]) {
    t.throws(() => ffi.viewMemory(0n, length), { instanceOf: RangeError, message: /at most 4 GiB/ })
  }
})

test('the address of an array is that of its first byte', (t) => {
  const whole = new Uint8Array(64)
  t.is(ffi.addressOf(whole.subarray(16)) - ffi.addressOf(whole), 16n)
})

test('a file is read straight into native memory, up to its end', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-ffi-'))
  writeFileSync(join(directory, 'file'), 'hello, world')
  const fd = ffi.open(join(directory, 'file'), c.O_RDONLY)
  const address = ffi.mmap(PAGE, c.PROT_READ | c.PROT_WRITE, c.MAP_PRIVATE | c.MAP_ANONYMOUS, -1, 0)
  t.is(ffi.preadInto(fd, address, PAGE, 7), 5)
  t.is(Buffer.from(ffi.viewMemory(address, 5)).toString(), 'world')
  t.is(ffi.preadInto(fd, address, PAGE, 100), 0)
  t.throws(() => ffi.preadInto(fd, 1n, 5, 0), { code: 'EFAULT' })
  ffi.munmap(address, PAGE)
  ffi.close(fd)
  rmSync(directory, { recursive: true })
})

test('an eventfd counts, and reads as zero when nothing was written', (t) => {
  const fd = ffi.eventfd(0, c.EFD_NONBLOCK)
  t.is(ffi.eventfdRead(fd), 0n)
  ffi.eventfdWrite(fd, 2n)
  ffi.eventfdWrite(fd, 2n ** 40n)
  t.is(ffi.eventfdRead(fd), 2n ** 40n + 2n)
  t.is(ffi.eventfdRead(fd), 0n)
  ffi.close(fd)
})

test('epoll_wait comes back on the event loop with the data of each ready descriptor', async (t) => {
  const epfd = ffi.epollCreate()
  const fds = [ffi.eventfd(0, c.EFD_NONBLOCK), ffi.eventfd(0, c.EFD_NONBLOCK)] as const
  ffi.epollCtl(epfd, c.EPOLL_CTL_ADD, fds[0], c.EPOLLIN, 0xffff_fffe)
  ffi.epollCtl(epfd, c.EPOLL_CTL_ADD, fds[1], c.EPOLLIN | c.EPOLLET, 5)
  const events = new Uint8Array(8 * ffi.EPOLL_EVENT_SIZE)
  const wait = (timeoutMs: number) =>
    new Promise<readonly [number, number]>((resolve) => {
      ffi.epollWaitAsync(epfd, events, 8, timeoutMs, (...result) => resolve(result))
    })

  t.deepEqual(await wait(0), [0, 0])
  const waiting = wait(-1)
  ffi.eventfdWrite(fds[0], 1n)
  t.deepEqual(await waiting, [1, 0])
  t.deepEqual(ffi.epollEventAt(events, 0), { events: c.EPOLLIN, data: 0xffff_fffe })
  ffi.eventfdWrite(fds[1], 1n)
  t.deepEqual(await wait(0), [2, 0])
  t.deepEqual([0, 1].map((index) => ffi.epollEventAt(events, index).data).sort(), [0xffff_fffe, 5].sort())

  t.throws(() => ffi.epollWaitAsync(epfd, events, 9, 0, () => {}), { message: /too small/ })
  t.throws(() => ffi.epollCtl(epfd, c.EPOLL_CTL_ADD, fds[0], c.EPOLLIN, 1), { code: 'EEXIST' })
  for (const fd of fds) ffi.close(fd)
  ffi.close(epfd)
  t.deepEqual(await wait(0), [-1, EBADF])
})

test('an asynchronous ioctl hands over the errno of the thread that made it', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => new Promise((resolve) => ffi.ioctlAsync(-1, 0, 0, (...answer) => resolve(answer)))),
  )
  for (const answer of answers) t.deepEqual(answer, [-1, EBADF])
})

test('each thread has its own id', async (t) => {
  t.is(ffi.gettid(), process.pid)
  const module = JSON.stringify(new URL('../../kvm-bindings/ffi.js', import.meta.url).href)
  // It stays until it is terminated: its thread is looked for after it has answered.
  const script = `setInterval(() => {}, 1000)
    import(${module}).then(({ gettid }) => require('node:worker_threads').parentPort.postMessage(gettid()))`
  const worker = new Worker(script, { eval: true })
  const tid = await new Promise<number>((resolve) => worker.once('message', resolve))
  t.not(tid, process.pid)
  t.true(readdirSync('/proc/self/task').map(Number).includes(tid))
  await worker.terminate()
})

test('a signal with the no-op handler does nothing but interrupt a waiting call', async (t) => {
  const signal = 37 // a real-time signal that nobody else uses
  ffi.installNoopHandler(signal)
  const epfd = ffi.epollCreate()
  const events = new Uint8Array(ffi.EPOLL_EVENT_SIZE)
  let finished = false
  const waiting = new Promise<number>((resolve) => {
    ffi.epollWaitAsync(epfd, events, 1, -1, (count) => {
      finished = true
      resolve(count)
    })
  })
  // Which pool thread waits is not known here, and it may not have begun: signal all threads until it is out.
  while (!finished) {
    signalAllThreads(signal)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  t.is(await waiting, 0)
  t.throws(() => ffi.tgkill(process.pid, 0, signal), { code: 'EINVAL' })
  ffi.close(epfd)
})

import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { EFD_NONBLOCK, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../../kvm-bindings/constants.ts'
import { close, duplicate, eventfd, eventfdWrite, pipe } from '../../kvm-bindings/ffi.ts'
import { Reactor } from '../../src/backends/reactor.ts'

const openFds = () => readdirSync('/proc/self/fd').map(Number)

const isEpoll = (fd: number) => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]'
  } catch {
    return false // the directory's own descriptor is gone by now
  }
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const failing = (t: ExecutionContext) => (error: Error) => t.fail(error.message)

for (const [threaded, how] of [
  [false, 'by the event loop'],
  [true, 'by a thread'],
] as const) {
  const open = (t: ExecutionContext) => new Reactor(failing(t), { threaded })

  test.serial(`${how}: an eventfd that is signalled calls back, each time anew`, async (t) => {
    const reactor = open(t)
    const fd = eventfd(0, EFD_NONBLOCK)
    let calls = 0
    let called = () => {}
    reactor.watchEventfd(fd, () => {
      calls++
      called()
    })
    reactor.start()
    for (let round = 1; round <= 3; round++) {
      const once = new Promise<void>((resolve) => {
        called = resolve
      })
      eventfdWrite(fd, 1n)
      await once
      t.is(calls, round)
    }
    await turns(20)
    t.is(calls, 3)
    await reactor.close()
    close(fd)
  })

  test.serial(`${how}: a signal given before the start is not lost`, async (t) => {
    const reactor = open(t)
    const fd = eventfd(3, EFD_NONBLOCK)
    const called = new Promise<void>((resolve) => reactor.watchEventfd(fd, resolve))
    reactor.start()
    await called
    await reactor.close()
    close(fd)
    t.pass()
  })

  test.serial(`${how}: a watched descriptor calls back while it is ready, for what was asked last`, async (t) => {
    const reactor = open(t)
    const [read, write] = pipe()
    const seen: number[] = []
    let enough = () => {}
    const ready = new Promise<void>((resolve) => {
      enough = resolve
    })
    reactor.watch(write, EPOLLOUT, (events) => {
      seen.push(events)
      if (seen.length < 3) return
      reactor.change(write, 0)
      enough()
    })
    reactor.start()
    await ready
    await turns(20)
    t.deepEqual(seen, [EPOLLOUT, EPOLLOUT, EPOLLOUT])

    const hungUp = new Promise<number>((resolve) => {
      reactor.watch(read, EPOLLIN, (events) => {
        reactor.unwatch(read)
        resolve(events)
      })
    })
    reactor.unwatch(write)
    close(write)
    t.is(await hungUp, EPOLLHUP)
    await reactor.close()
    close(read)
  })

  test.serial(`${how}: a descriptor no longer watched calls nobody, even when it was ready already`, async (t) => {
    const reactor = open(t)
    const fds = [eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)] as const
    const called: number[] = []
    for (const [i, fd] of fds.entries()) {
      reactor.watchEventfd(fd, () => {
        called.push(i)
        reactor.unwatch(fds[1 - i]!)
      })
    }
    for (const fd of fds) eventfdWrite(fd, 1n)
    reactor.start()
    await turns(50)
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.is(called.length, 1)
    await reactor.close()
    for (const fd of fds) close(fd)
  })

  test.serial(`${how}: a descriptor that is always ready leaves room for others and for the event loop`, async (t) => {
    const reactor = open(t)
    // More noisy ones than one turn serves.
    const noisy = Array.from({ length: 40 }, () => eventfd(1, EFD_NONBLOCK))
    for (const fd of noisy) reactor.watch(fd, EPOLLIN, () => {})
    const quiet = eventfd(0, EFD_NONBLOCK)
    const called = new Promise<void>((resolve) => reactor.watchEventfd(quiet, resolve))
    reactor.start()
    await turns(5)
    eventfdWrite(quiet, 1n)
    await called
    await new Promise((resolve) => setTimeout(resolve, 1))
    await reactor.close()
    for (const fd of [...noisy, quiet]) close(fd)
    t.pass()
  })

  test.serial(`${how}: promises and ticks of a callback run before anything else happens`, async (t) => {
    const reactor = open(t)
    const fd = eventfd(0, EFD_NONBLOCK)
    const order: string[] = []
    const done = new Promise<void>((resolve) => {
      reactor.watchEventfd(fd, () => {
        order.push('callback')
        process.nextTick(() => order.push('tick'))
        void Promise.resolve()
          .then(() => void order.push('promise'))
          .then(resolve)
      })
    })
    reactor.start()
    eventfdWrite(fd, 1n)
    // Nothing else is under way that could run them.
    await done
    t.deepEqual(order, ['callback', 'tick', 'promise'])
    await reactor.close()
    close(fd)
  })

  test.serial(
    `${how}: closing releases every descriptor, before and after a start, and twice does no harm`,
    async (t) => {
      const before = openFds().length
      await open(t).close()
      const reactor = open(t)
      reactor.start()
      await turns(3)
      await Promise.all([reactor.close(), reactor.close()])
      await turns(3)
      t.is(openFds().length, before)
    },
  )

  test.serial(`${how}: after the close nothing is watched, and to stop watching does no harm`, async (t) => {
    const reactor = open(t)
    const fd = eventfd(0, EFD_NONBLOCK)
    reactor.watchEventfd(fd, () => {})
    reactor.start()
    await reactor.close()
    t.notThrows(() => reactor.unwatch(fd))
    close(fd)
  })

  test.serial(`${how}: a started reactor keeps its process alive, a closed one does not`, (t) => {
    const script = fileURLToPath(new URL('../helpers/reactor-process.js', import.meta.url))
    const run = (what: string) => execFileSync(process.execPath, [script, String(threaded), what], { timeout: 20_000 })
    t.is(run('close').toString(), 'called\nclosed\n')
    t.is(run('throw').toString(), 'uncaught: no good\nuncaught: no good\nother called\nclosed\n')
  })

  test.serial(`${how}: it works in a Worker`, async (t) => {
    const script = new URL('../helpers/reactor-process.js', import.meta.url)
    const worker = new Worker(script, { argv: [String(threaded), 'close'], stdout: true })
    let output = ''
    worker.stdout.on('data', (chunk) => {
      output += chunk
    })
    t.is(await new Promise<number>((resolve) => void worker.once('exit', resolve)), 0)
    t.is(output, 'called\nclosed\n')
  })

  test.serial(`${how}: a wait that fails is reported once and not tried again`, async (t) => {
    const before = openFds().filter(isEpoll)
    const errors: string[] = []
    const reactor = new Reactor(({ message }) => errors.push(message), { threaded })
    const [epoll] = openFds().filter((fd) => isEpoll(fd) && !before.includes(fd))
    // In place of the epoll descriptor one that is always readable and no epoll descriptor.
    const readable = eventfd(1, EFD_NONBLOCK)
    duplicate(readable, epoll!)
    reactor.start()
    await turns(100)
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.deepEqual(errors, ['epoll_wait gave EINVAL'])
    await reactor.close()
    close(readable)
  })
}

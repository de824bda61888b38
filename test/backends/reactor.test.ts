import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { EFD_NONBLOCK } from '../../kvm-bindings/constants.ts'
import { close, eventfd, eventfdWrite } from '../../kvm-bindings/ffi.ts'
import { Reactor } from '../../src/backends/reactor.ts'

const epollFds = () =>
  readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]'
      } catch {
        return false // the directory's own descriptor is gone by now
      }
    })

/** Puts a file that cannot be waited on in place of a descriptor. */
function replace(fd: number) {
  closeSync(fd)
  const spare: number[] = []
  let opened = openSync('/dev/null', 'r')
  while (opened !== fd) {
    spare.push(opened)
    opened = openSync('/dev/null', 'r')
  }
  for (const each of spare) closeSync(each)
}

test.serial('an eventfd that is signalled calls back', async (t) => {
  const reactor = new Reactor((error) => t.fail(error.message))
  const fd = eventfd(0, EFD_NONBLOCK)
  const called = new Promise<void>((resolve) => reactor.watchEventfd(fd, resolve))
  reactor.start()
  eventfdWrite(fd, 1n)
  await called
  await reactor.close()
  close(fd)
  t.pass()
})

test.serial('a wait that fails is reported once and not tried again', async (t) => {
  const before = epollFds()
  const errors: Error[] = []
  let failed = () => {}
  const first = new Promise<void>((resolve) => {
    failed = resolve
  })
  const reactor = new Reactor((error) => {
    errors.push(error)
    failed()
  })
  const [epoll] = epollFds().filter((fd) => !before.includes(fd))
  replace(epoll!)
  reactor.start()
  await first
  for (let turn = 0; turn < 100; turn++) await nextTurn()
  t.deepEqual(
    errors.map(({ message }) => message),
    ['epoll_wait gave EINVAL'],
  )
  await reactor.close()
})

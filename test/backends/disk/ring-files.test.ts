import { readdirSync } from 'node:fs'
import test from 'ava'
import { openAsyncFiles } from '../../../src/backends/disk/async-files.ts'
import { Reactor } from '../../../src/backends/reactor.ts'

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

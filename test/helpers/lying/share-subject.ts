/** A share with a secret beside it. Data of requests that go the long way move late, in any order, some with errors. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { preadv, pwritev } from '../../../kvm-bindings/vector-io.ts'
import type { AsyncFiles } from '../../../src/backends/disk/async-files.ts'
import type { FileServer } from '../../../src/backends/files/file-server.ts'
import { virtio9p } from '../../../src/devices/virtio-9p.ts'
import { openServer } from '../p9-client.ts'
import type { Subject } from './subject.ts'

/** One tree for all cases: most leave it as it is. */
let base: string | undefined

function tree(): string {
  if (base !== undefined) return base
  const made = mkdtempSync(join(tmpdir(), 'cloister-lying-'))
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  for (const name of ['shared', 'kept', 'outside']) mkdirSync(join(made, name))
  writeFileSync(join(made, 'outside/secret'), 'secret')
  writeFileSync(join(made, 'kept/file'), 'text')
  symlinkSync('../outside', join(made, 'kept/up'))
  base = made
  return made
}

/** Of cases that are over: their descriptors would add up. */
const servers: FileServer[] = []

export function shareSubject(readOnly: boolean): Subject {
  const made = tree()
  const shared = join(made, readOnly ? 'kept' : 'shared')
  if (!readOnly && readdirSync(shared).length < 2) {
    writeFileSync(join(shared, 'file'), 'text')
    mkdirSync(join(shared, 'dir'), { recursive: true })
  }
  const underWay: ((fault: number) => void)[] = []
  const late = (done: (result: number) => void, work: () => number) => {
    underWay.push((fault) => done(fault === 0 ? work() : -fault))
  }
  const files: AsyncFiles = {
    kind: 'thread pool',
    threads: 1,
    preadv: (fd, vector, offset, done) => late(done, () => preadv(fd, vector, offset)),
    pwritev: (fd, vector, offset, done) => late(done, () => pwritev(fd, vector, offset)),
    fdatasync: (_, done) => late(done, () => 0),
    fsync: (_, done) => late(done, () => 0),
    fallocate: (_fd, _mode, _offset, _length, done) => late(done, () => 0),
    submit: () => {},
    drain: () => {
      for (const end of underWay.splice(0)) end(125)
    },
    close: () => {},
  }
  let granted = 0
  const server = openServer(shared, files, { readOnly, maxFids: 16 })
  servers.push(server)
  if (servers.length > 4) servers.shift()!.close()
  const counting: FileServer = {
    threads: 1,
    serve: (request, answer) =>
      server.serve(request, (head, data) => {
        if (head[4] !== 7 && head[4] !== 101) granted++
        answer(head, data)
      }),
    submit: () => server.submit(),
    drain: () => server.drain(),
    reset: () => server.reset(),
    save: () => server.save(),
    restore: (session) => server.restore(session),
    close: () => server.close(),
  }
  return {
    device: virtio9p({ tag: 'share', server: counting }),
    hostEvent: (choice) => {
      const [end] = underWay.splice(choice % (underWay.length || 1), 1)
      end?.(choice % 8 === 0 ? 5 : 0)
    },
    reached: () => granted,
    damage: () => {
      if (readdirSync(join(made, 'outside')).join() !== 'secret') return 'something was made outside'
      if (readFileSync(join(made, 'outside/secret'), 'latin1') !== 'secret') return 'the secret was changed'
      if (!readOnly) return undefined
      const names = readdirSync(shared).sort().join()
      if (names !== 'file,up') return `the read-only share has ${names}`
      return readFileSync(join(shared, 'file'), 'latin1') === 'text' ? undefined : 'the read-only file was written'
    },
  }
}

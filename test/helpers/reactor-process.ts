/** A process with a reactor and nothing else: `node reactor-process.js <threaded> close|throw`. */
import { EFD_NONBLOCK } from '../../kvm-bindings/constants.ts'
import { eventfd, eventfdWrite } from '../../kvm-bindings/ffi.ts'
import { Reactor } from '../../src/backends/reactor.ts'

const [threaded, what] = process.argv.slice(2)
const say = (line: string) => void process.stdout.write(`${line}\n`)
const reactor = new Reactor((error) => say(error.message), { threaded: threaded === 'true' })
const fd = eventfd(0, EFD_NONBLOCK)

const finish = async () => {
  await reactor.close()
  say('closed')
}

if (what === 'close') {
  reactor.watchEventfd(fd, () => {
    say('called')
    void finish()
  })
  // Long after everything else has gone quiet: an unreferenced timer does not keep the process alive.
  setTimeout(() => eventfdWrite(fd, 1n), 100).unref()
} else {
  const other = eventfd(0, EFD_NONBLOCK)
  let calls = 0
  process.on('uncaughtException', ({ message }) => {
    say(`uncaught: ${message}`)
    if (calls === 1) eventfdWrite(fd, 1n)
    else eventfdWrite(other, 1n)
  })
  reactor.watchEventfd(fd, () => {
    calls++
    throw new Error('no good')
  })
  reactor.watchEventfd(other, () => {
    say('other called')
    void finish()
  })
  setTimeout(() => eventfdWrite(fd, 1n), 20).unref()
}
reactor.start()

/**
 * A process in the control group of a VMM: `node vmm-stand-in.js DIRECTORY NAME stay|hog|room|leave [detached|foreground]`.
 * `hog` takes all memory that it gets, `room` more than its limit where that is lifted for a while, `leave` goes out of the
 * group again and says what is left of it.
 */
import { allocateRam } from '../../src/memory/ram.ts'
import { joinVmmCgroup } from '../../src/vmm/vmm-cgroup.ts'

const [directory = '', name = '', what = '', how = 'detached'] = process.argv.slice(2)
const facts = { name, directory, memoryBytes: 16 * 2 ** 20, cpus: 1 }
const group = joinVmmCgroup(facts, how === 'detached', (line) => process.stdout.write(`${line}\n`))
const say = () => process.stdout.write(`${JSON.stringify({ limits: group.joined?.cgroup.limits() ?? null })}\n`)
say()
if (what === 'leave') {
  group.remove()
} else if (what === 'room') {
  const takeBack = group.makeRoom(facts.memoryBytes * 8)
  say()
  const ram = allocateRam(facts.memoryBytes * 8)
  ram.memory.bytes(0, facts.memoryBytes * 8).fill(1)
  // It would end this process.
  takeBack()
  say()
  ram.close()
  takeBack()
  say()
} else if (what === 'hog') {
  const hoard: Buffer[] = []
  for (;;) hoard.push(Buffer.alloc(2 ** 20, 1))
} else {
  const look = setInterval(() => {
    if (!group.joined) return
    if (how === 'foreground') say()
    clearInterval(look)
  }, 10)
  setTimeout(() => {}, 60_000)
}

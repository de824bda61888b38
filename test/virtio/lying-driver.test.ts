/**
 * A driver that does anything at all, in any order, to each device, and much that is nearly right. CLOISTER_FUZZ_CASES
 * sets the number of cases for each device; fast-check prints seed and path of a failure, to replay it.
 */
import test from 'ava'
import fc from 'fast-check'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { anyStep } from '../helpers/lying/any-step.ts'
import { balloonStep } from '../helpers/lying/balloon-step.ts'
import { blockStep } from '../helpers/lying/block-step.ts'
import { chainStep } from '../helpers/lying/chain-step.ts'
import { netStep } from '../helpers/lying/net-step.ts'
import { p9Step } from '../helpers/lying/p9-step.ts'
import { type Step, type Subject, startAll } from '../helpers/lying/subject.ts'
import { SUBJECTS } from '../helpers/lying/subjects.ts'
import { vsockStep } from '../helpers/lying/vsock-step.ts'
import { MmioDriver } from '../helpers/mmio-driver.ts'

const CASES = Number(process.env.CLOISTER_FUZZ_CASES ?? 2000)

/** Wholly random steps hardly ever get as far as a device. */
const OTHERS = fc.oneof(anyStep, chainStep)
const STEPS: Record<string, fc.Arbitrary<Step>> = {
  'virtio-blk': fc.oneof(anyStep, blockStep),
  'virtio-blk, read-only': fc.oneof(anyStep, blockStep),
  'virtio-net': fc.oneof({ weight: 1, arbitrary: anyStep }, { weight: 4, arbitrary: netStep }),
  'virtio-9p': fc.oneof({ weight: 1, arbitrary: anyStep }, { weight: 2, arbitrary: p9Step }),
  'virtio-9p, read-only': fc.oneof({ weight: 1, arbitrary: anyStep }, { weight: 2, arbitrary: p9Step }),
  'virtio-vsock': fc.oneof({ weight: 1, arbitrary: anyStep }, { weight: 4, arbitrary: vsockStep }),
  'virtio-balloon': fc.oneof({ weight: 1, arbitrary: anyStep }, { weight: 2, arbitrary: balloonStep }),
}

/** What the devices did in all cases. */
interface Tally {
  mistakes: number
  completed: number
  reached: number
}

const runCase = (makeSubject: () => Subject, steps: readonly Step[], tally: Tally): MmioDriver => {
  const subject = makeSubject()
  const driver = new MmioDriver(subject.device, createGuardedMemory(), subject.clock)
  startAll(driver)
  for (const act of steps) {
    const { queues } = driver
    const before = usedIn(driver)
    act(driver, subject)
    // Not where the step began with new queues.
    if (driver.queues === queues && usedIn(driver) > before) tally.completed++
  }
  const damage = subject.damage?.()
  if (damage) throw new Error(damage)
  tally.reached += subject.reached?.() ?? 0
  // Whatever came before, a proper driver can start over, and state can be saved and restored.
  const heir = makeSubject()
  const other = new MmioDriver(heir.device, driver.guarded, heir.clock)
  other.transport.restore(JSON.parse(JSON.stringify(driver.transport.save())))
  other.settle(3)
  startAll(driver)
  return driver
}

const usedIn = ({ queues }: MmioDriver): number => queues.reduce((sum, { usedIndex }) => sum + usedIndex, 0)

const check = (driver: MmioDriver): void => {
  const stray = driver.guarded.strayWrites()
  if (stray.length > 0) throw new Error(`stray writes at host offsets ${stray.slice(0, 8)}`)
  if (driver.deferred.length > 1) throw new Error(`${driver.deferred.length} tasks put off at once`)
  if (driver.log.length > 32) throw new Error(`${driver.log.length} lines logged`)
  const failure = driver.log.find((line) => line.includes('device failed'))
  if (failure) throw new Error(failure)
}

for (const [name, makeSubject] of Object.entries(SUBJECTS)) {
  // Each of its steps goes to the host's file system.
  const cases = name.startsWith('virtio-9p') ? Math.ceil(CASES / 8) : CASES
  test(`no lie of a driver gets past the transport of ${name}, nor outside guest memory`, (t) => {
    const tally: Tally = { mistakes: 0, completed: 0, reached: 0 }
    fc.assert(
      fc.property(fc.array(STEPS[name] ?? OTHERS, { minLength: 1, maxLength: 40 }), (steps) => {
        const driver = runCase(makeSubject, steps, tally)
        check(driver)
        if (driver.log.some((line) => line.includes('needs a reset'))) tally.mistakes++
      }),
      { numRuns: cases },
    )
    // The lies do arrive: a driver that is always turned away early would prove nothing.
    t.true(tally.mistakes > cases / 50, `only ${tally.mistakes} of ${cases} cases reached a driver mistake`)
    t.true(tally.completed > cases / 20, `only ${tally.completed} chains were completed in ${cases} cases`)
    if (makeSubject().reached)
      t.true(tally.reached > cases / 50, `only ${tally.reached} times in ${cases} cases was the host's side reached`)
  })
}

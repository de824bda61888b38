/** Going on from a snapshot, again and again, costs this process nothing that stays. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { openUnikernel } from '../helpers/unikernels.ts'

const ROUNDS = 200
const SHELL = 'echo ready; read word; echo "$word"; exit 7'

const shell = (name: string, from?: string) =>
  busyboxSpec(['sh', '-c', SHELL], {
    name,
    isolation: 'unikernel',
    memoryBytes: 16 * 2 ** 20,
    interactive: true,
    ...(from && { from }),
  })

const held = () => ({
  descriptors: readdirSync('/proc/self/fd').length,
  mappings: readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => /memfd|kvm|\/one\//.test(line)).length,
  threads: readdirSync('/proc/self/task').length,
})

kvmTestSerial('two hundred copies, one after the other, leave no descriptor, mapping, thread or file', async (t) => {
  const directory = join(temporaryDirectory(t), 'one')
  const original = openUnikernel(t, shell('original'))
  await original.instance.start()
  await original.outputWith(/ready/)
  await original.instance.snapshot!({ directory })
  const files = readdirSync(directory).sort()
  await original.close()

  const goOn = async (round: number) => {
    const copy = openUnikernel(t, shell(`copy${round}`, directory))
    await copy.instance.start()
    copy.say(`word ${round}\n`)
    t.is((await copy.wait()).exitCode, 7)
    await copy.outputWith(new RegExp(`^word ${round}\n$`))
    await copy.close()
  }
  // What is made once for all is there after the first ones.
  for (let round = 0; round < 10; round++) await goOn(round)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const before = held()
  for (let round = 10; round < ROUNDS; round++) await goOn(round)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const after = held()
  t.true(after.descriptors <= before.descriptors, `${JSON.stringify(before)} ${JSON.stringify(after)}`)
  t.true(after.threads <= before.threads, `${JSON.stringify(before)} ${JSON.stringify(after)}`)
  t.deepEqual([after.mappings, readdirSync(directory).sort()], [before.mappings, files])
})

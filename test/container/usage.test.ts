import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, startContainer } from '../helpers/containers.ts'

const MIB = 2 ** 20
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

containerTest('what a container uses is counted by the kernel: memory, time, processes', async (t) => {
  const script = 'dd if=/dev/zero of=/tmp/f bs=1M count=20 2>&1; sleep 1000 & echo ready; wait'
  const { instance, stdout } = await startContainer(t, busyboxSpec(['sh', '-c', script], { memoryBytes: 64 * MIB }))
  await until(() => stdout().includes('ready'))
  await until(() => instance.usage().tasks === 3)
  const usage = instance.usage()
  t.true(usage.memoryBytes > 20 * MIB && usage.memoryBytes < 80 * MIB, `${usage.memoryBytes}`)
  t.is(usage.memoryLimitBytes, 64 * MIB)
  t.true(usage.cpuTimeNs > 0)
})

containerTest('processor time only grows, also that of processes that have ended', async (t) => {
  const script =
    'i=0; while [ $i -lt 30 ]; do (j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done); i=$((i+1)); done; echo ready; sleep 1000'
  const { instance, stdout } = await startContainer(t, busyboxSpec(['sh', '-c', script]))
  let last = 0
  while (!stdout().includes('ready')) {
    const { cpuTimeNs } = instance.usage()
    t.true(cpuTimeNs >= last)
    last = cpuTimeNs
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.true(instance.usage().cpuTimeNs >= last)
  t.true(last > 5e6)
})

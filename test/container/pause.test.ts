import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { containerCgroup, sweepContainer } from '../../src/container/sweep.ts'
import { hasEnded } from '../../src/host/process-status.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, startContainer, temporaryDirectory } from '../helpers/containers.ts'

const HOLDER = fileURLToPath(new URL('../helpers/container-holder.js', import.meta.url))
const SIGUSR1 = 10

const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await rest(5)
}
/** Writes a line every 10 ms or so. */
const TICKER = ['sh', '-c', 'while :; do echo tick; sleep 0.01; done'] as const

containerTest('a paused container writes nothing more, and goes on where it was', async (t) => {
  const { instance, stdout } = await startContainer(t, busyboxSpec(TICKER))
  await until(() => stdout().length > 20)
  await instance.pause()
  // What was under way before it stood still arrives; a program that ran on would never be silent so long.
  let before = ''
  while (before !== stdout()) {
    before = stdout()
    await rest(500)
  }
  await rest(100)
  t.is(stdout(), before)
  await instance.resume()
  await until(() => stdout().length > before.length + 20)
})

containerTest('to pause or resume twice is to do it once', async (t) => {
  const { instance, stdout } = await startContainer(t, busyboxSpec(TICKER))
  await instance.resume()
  await Promise.all([instance.pause(), instance.pause()])
  await instance.pause()
  await instance.resume()
  await instance.resume()
  const before = stdout()
  await until(() => stdout().length > before.length)
  t.pass()
})

containerTest('a signal to a paused container arrives when it goes on', async (t) => {
  const script = 'trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.01; done'
  const { instance, stdout } = await startContainer(t, busyboxSpec(['sh', '-c', script]))
  await until(() => stdout() === 'ready\n')
  await instance.pause()
  instance.signal(SIGUSR1)
  await rest(50)
  t.is(stdout(), 'ready\n')
  await instance.resume()
  t.is((await instance.wait()).exitCode, 5)
})

for (const when of ['is paused', 'is being paused'] as const) {
  containerTest(`a container that ${when} is killed at once, and nothing of it is left`, async (t) => {
    const { instance, directory } = await startContainer(t, busyboxSpec(['sh', '-c', 'sleep 1000 & sleep 1000']))
    const pausing = instance.pause()
    if (when === 'is paused') await pausing
    const processes = instance.pids()
    instance.kill({ exitCode: 137 })
    await pausing
    t.deepEqual(await instance.wait(), { exitCode: 137 })
    await instance.close()
    t.true(processes.every((pid) => hasEnded(pid)))
    t.deepEqual(readdirSync(directory), [])
    t.deepEqual(containerCgroup('test', directory).directories(), [])
  })
}

containerTest('close of a paused container does not wait for it to go on', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1000']))
  await instance.pause()
  await instance.close()
  t.is((await instance.wait()).exitCode, 137)
})

containerTest('what pauses after the end has nothing to do', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['true']))
  await instance.wait()
  await instance.pause()
  await instance.resume()
  t.pass()
})

containerTest('a container that was paused when its holder was killed goes with the next sweep', async (t) => {
  const directory = join(temporaryDirectory(t), 'instance')
  mkdirSync(directory)
  const name = `frozen-${process.pid}`
  const holder = spawn(process.execPath, [HOLDER, directory, name, `8640${process.pid}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout!, 'data')
  const cgroup = containerCgroup(name, directory)
  await cgroup.freezer.freeze()
  const processes = cgroup.processes()
  t.true(processes.length > 0)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const words = await sweepContainer(name, directory)
  t.true(words.some((line) => /^removed \d+ control groups/.test(line)))
  t.true(processes.every((pid) => hasEnded(pid)))
  t.deepEqual(cgroup.directories(), [])
  t.deepEqual(existsSync(directory) ? readdirSync(directory) : [], [])
})

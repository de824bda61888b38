import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { containerCgroup, sweepContainer } from '../../src/container/sweep.ts'
import { containerTest, temporaryDirectory } from '../helpers/containers.ts'
import { stillLiving } from '../helpers/living.ts'

const HOLDER = fileURLToPath(new URL('../helpers/container-holder.js', import.meta.url))

/** Moments of a start, in ms after the holder's: before, amid and after the work of the runtime. */
for (const moment of [60, 75, 90, 105, 120, 140, 'started'] as const) {
  const when = moment === 'started' ? 'when the program runs' : `${moment} ms after the start`
  containerTest(
    `SIGKILL to the process that holds a container, ${when}, leaves no process, and a sweep no file`,
    async (t) => {
      const directory = join(temporaryDirectory(t), 'instance')
      mkdirSync(directory)
      const name = `crash-${process.pid}`
      // The number of seconds is how the program is recognised among all processes of the host.
      const seconds = `86400.${process.pid}${moment}`.replace('started', '999')
      const holder = spawn(process.execPath, [HOLDER, directory, name, seconds], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      if (moment === 'started') await once(holder.stdout!, 'data')
      else await new Promise((resolve) => setTimeout(resolve, moment))
      holder.kill('SIGKILL')
      await once(holder, 'exit')

      t.deepEqual(await stillLiving([directory, seconds]), [])
      t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(directory))

      const cgroup = containerCgroup(name, directory)
      const files = existsSync(directory) ? readdirSync(directory) : []
      const groups = cgroup.directories()
      const words = await sweepContainer(name, directory)
      t.is(
        words.some((line) => line.includes('removed the files')),
        files.length > 0,
      )
      t.is(
        words.some((line) => line.includes('control groups')),
        groups.length > 0,
      )
      t.deepEqual(readdirSync(directory), [])
      t.deepEqual(cgroup.directories(), [])
      t.deepEqual(await sweepContainer(name, directory), [], 'nothing is left for a second sweep')
      if (moment === 'started') t.true(files.length > 0 && groups.length > 0)
    },
  )
}

/** A container that says of itself, in one line of JSON, what it is: `node container-describe.js DIRECTORY NAME`. */
import { openSync } from 'node:fs'
import { createContainer } from '../../src/container/container.ts'
import { busyboxSpec } from './busybox-spec.ts'

const [directory = '', name = ''] = process.argv.slice(2)
const nowhere = openSync('/dev/null', 'r+')
const warnings: string[] = []
const instance = createContainer(busyboxSpec(['sleep', '1000'], { name }), {
  directory,
  stdio: { stdout: nowhere, stderr: nowhere },
  warn: (line) => warnings.push(line),
})
await instance.start()
const pause = await instance.pause().then(
  () => 'done',
  (error: Error) => error.message,
)
process.stdout.write(`${JSON.stringify({ ...instance.describe(), usage: instance.usage(), pause, warnings })}\n`)
await instance.close()

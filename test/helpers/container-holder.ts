/** A process that holds a container and is about to be killed: `node container-holder.js DIRECTORY NAME SECONDS`. */
import { openSync } from 'node:fs'
import { createContainer } from '../../src/container/container.ts'
import { busyboxSpec } from './busybox-spec.ts'

const [directory = '', name = '', seconds = ''] = process.argv.slice(2)
const nowhere = openSync('/dev/null', 'r+')
const instance = createContainer(busyboxSpec(['sleep', seconds], { name }), {
  directory,
  stdio: { stdout: nowhere, stderr: nowhere },
})
await instance.start()
process.stdout.write('started\n')
await instance.wait()

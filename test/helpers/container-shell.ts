/** Busybox in a container with this process's own output: `node container-shell.js DIRECTORY APPLET [ARG...]`. */
import { createContainer } from '../../src/container/container.ts'
import { busyboxSpec } from './busybox-spec.ts'

const [directory = '', ...argv] = process.argv.slice(2)
const instance = createContainer(busyboxSpec(argv), { directory, stdio: { stdout: 1, stderr: 2 } })
await instance.start()
const { exitCode } = await instance.wait()
await instance.close()
process.exitCode = exitCode

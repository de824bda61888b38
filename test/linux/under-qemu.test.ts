/** The microVM's own kernel, first root and root image boot elsewhere too: what they rest on is no habit of our machine's. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from '../helpers/containers.ts'
import { AGENT_ALONE, type CommandLine, linuxBoot, underOurs, underQemu } from '../helpers/linux-boot.ts'
import { ownKernelTest } from '../helpers/microvm.ts'

const HANG_MS = 10 * 60_000

/** @returns what came from the serial port, until the end */
async function serialOf({ file, args }: CommandLine): Promise<string> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: HANG_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text
  })
  await once(child, 'close')
  return output
}

for (const [where, line] of [
  ['under QEMU microvm', underQemu],
  ['in a machine of ours with the same two devices', underOurs],
] as const) {
  ownKernelTest(
    `the agent comes up ${where}, says that it has nobody to talk to, and ends the machine`,
    async (t: ExecutionContext) => {
      const output = await serialOf(line(await linuxBoot(temporaryDirectory(t))))
      t.true(output.includes(AGENT_ALONE), output)
      t.notRegex(output, /Kernel panic/)
    },
  )
}

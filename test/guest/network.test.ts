/** A unikernel on a tap answers the host, by ARP and ICMP, through everything that lies between. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { commandLine } from '../helpers/cli.ts'
import { kvmTest } from '../helpers/kvm.ts'
import { type HostTap, makeTap, whyNoTaps } from '../helpers/taps.ts'

const BUSYBOX = '/bin/busybox'
const run = promisify(execFile)
const reason = whyNoTaps()
if (reason !== undefined) test(`tests with taps are skipped: ${reason}`, (t) => t.pass())

const addressOf = ({ guestAddress, hostAddress }: HostTap) =>
  `ip=${guestAddress}::${hostAddress}:255.255.255.252:guest:eth0:off`

/** The guest takes a moment to come up; after its first answer none may be missing. */
const ping = async (address: string, count: number): Promise<string> => {
  for (let tries = 0; ; tries++) {
    try {
      await run(BUSYBOX, ['ping', '-c', '1', '-W', '1', address])
      break
    } catch (error) {
      if (tries === 20) throw error
    }
  }
  const { stdout } = await run(BUSYBOX, ['ping', '-c', String(count), '-i', '0.05', '-s', '1400', address])
  return stdout
}

if (reason === undefined) {
  kvmTest('the host pings a unikernel through a tap', async (t) => {
    const tap = makeTap()
    t.teardown(() => tap.remove())
    const cloister = commandLine(t)
    const options = ['--isolation', 'unikernel', '--name', 'pinged', '--net', `tap:${tap.name}`]
    const { child, result } = cloister.start(['run', ...options, '--append', addressOf(tap), BUSYBOX, 'sleep', '60'])
    try {
      t.regex(await ping(tap.guestAddress, 20), /20 packets transmitted, 20 packets received, 0% packet loss/)
      const { stdout } = await cloister(['inspect', 'pinged'])
      t.regex(stdout, new RegExp(`"tap": "${tap.name}"`))
      t.regex(stdout, /"link": "up"/)
    } finally {
      child.kill('SIGTERM')
      await result
    }
  })
}

kvmTest('a tap that is not there ends the command before there is a VM', async (t) => {
  const { status, stderr } = await commandLine(t)(['run', '--net', 'tap:clnosuch', BUSYBOX, 'true'])
  t.is(status, 125)
  t.regex(stderr, reason === undefined ? /there is no such interface/ : /Cannot attach to the tap/)
})

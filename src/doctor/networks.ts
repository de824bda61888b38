/** What networks stand on: `ip`, `nft`, and a kernel with bridges, pairs of interfaces, taps and packet filters. */
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { findTool, packageOf } from '../network/tools.ts'
import { type Check, type Finding, pass, warn } from './check.ts'

const TRIAL_MS = 5000
const TOOLS = ['ip', 'nft'] as const

const MASQUERADE = "nft 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }'"

/** Each in a network namespace that ends with it: no interface of the host is touched. */
const TRIALS = [
  { what: 'bridges', line: 'ip link add b0 type bridge', module: 'bridge' },
  { what: 'pairs of interfaces', line: 'ip link add v0 type veth peer name v1', module: 'veth' },
  { what: 'taps', line: 'ip tuntap add dev t0 mode tap vnet_hdr', module: 'tun' },
  { what: 'packet filters', line: MASQUERADE, module: 'nf_tables' },
] as const

const networks: Check = {
  id: 'networks',
  title: 'Networks',
  run(): Finding {
    const missing = TOOLS.filter((tool) => findTool(tool) === undefined)
    if (missing.length > 0) {
      const packages = missing.map(packageOf).join(' ')
      return warn(`no ${missing.join(' and no ')}: no "cloister network"`, `apt-get install ${packages}`, { missing })
    }
    if (process.geteuid?.() !== 0) {
      return warn('ip and nft are there, but this user may make no interfaces', 'Networks are for root: use sudo.')
    }
    if (!statSync('/dev/net/tun', { throwIfNoEntry: false })?.isCharacterDevice()) {
      return warn('no /dev/net/tun: containers only', 'modprobe tun, or hand the device to the container that this is.')
    }
    const failed = TRIALS.flatMap(({ what, line, module }) => {
      const said = attempt(line)
      return said === undefined ? [] : [{ what, said, module }]
    })
    const [first] = failed
    if (first) {
      const words = failed.map(({ what, said }) => `no ${what} (${said})`).join(', ')
      return warn(words, `modprobe ${failed.map(({ module }) => module).join(' ')}, or a kernel that has them.`)
    }
    const forwarding = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1'
    return pass(`bridges, taps and packet filters; this host ${forwarding ? 'forwards' : 'does not forward'} packets`, {
      forwarding,
    })
  },
}

/** @returns what the host has against it */
function attempt(line: string): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', ['--net', 'sh', '-c', line], {
    encoding: 'utf8',
    timeout: TRIAL_MS,
    env: { PATH: `/usr/sbin:/sbin:/usr/bin:/bin:${process.env.PATH}`, LC_ALL: 'C' },
  })
  if (status === 0) return undefined
  const [said] = (stderr ?? '').trim().split('\n')
  return said?.replace(/^(RTNETLINK answers|Error): /, '') || (error?.message ?? 'refused')
}

export const networkChecks: readonly Check[] = [networks]

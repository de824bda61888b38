/**
 * Networks for tests, in a network namespace of the test's own that plays the host: every command runs in it, and no
 * interface of the real host is touched. Network namespaces of containers have a place in the file system all the
 * same (/run/netns), by the random names of their leases.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { NetworkStore } from '../../src/network/store.ts'
import { findTool } from '../../src/network/tools.ts'
import { CLOISTER, type CliResult } from './cli.ts'
import { temporaryDirectory, whyNoContainers } from './containers.ts'
import { whyNoKvm } from './why-no-kvm.ts'

/** npm puts another program called nft first. */
const PATH = `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH}`

function reasonAgainst(): string | undefined {
  if (process.geteuid?.() !== 0) return 'networks need root'
  for (const tool of ['ip', 'nft'] as const) if (!findTool(tool)) return `${tool} is not installed`
  const script = 'ip link add b0 type bridge && ip tuntap add dev t0 mode tap && nft add table ip t'
  const { status, stderr } = spawnSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8', env: { PATH } })
  return status === 0 ? undefined : `this host makes no networks: ${stderr.trim().split('\n')[0]}`
}

const whyNoNetworks = reasonAgainst()

/** Beside networks themselves: why there is none of what a test needs, if so. */
export const CONTAINERS = [whyNoContainers] as const
export const CONTAINERS_AND_VMS = [whyNoContainers, whyNoKvm && `no KVM here: ${whyNoKvm}`] as const

/** `test.serial` of ava, or `test.skip` with the reason in the title. */
export function networkTest(
  title: string,
  work: (t: ExecutionContext) => Promise<void>,
  missing: readonly (string | undefined)[] = [],
): void {
  const reason = [whyNoNetworks, ...missing].find((one) => one !== undefined)
  if (reason === undefined) anyTest.serial(title, work)
  else anyTest.serial.skip(`${title} (skipped: ${reason})`, work)
}

const HANG_MS = Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 30) * 1000

export interface OwnHost {
  readonly root: string
  /** Of the process that keeps the network namespace. */
  readonly pid: number
  readonly store: NetworkStore
  cloister(...args: readonly string[]): Promise<CliResult>
  /** Starts, and leaves the rest to the test; `child` is the command itself. */
  start(...args: readonly string[]): ChildProcess
  /** A program in its network namespace that goes on until the end of the test, with that on its standard input. */
  keep(line: string, input: string): ChildProcess
  /** A line of shell in its network namespace; its output. */
  sh(line: string): string
  /** Names of the interfaces on lease; `left` looks for what is left of those that were ever asked for. */
  leased(): string[]
  /** Interfaces, tables, records and network namespaces of ours that are there. */
  left(): string[]
}

/** A namespace with `lo` alone, and what runs in it, until the end of the test. */
export async function ownHost(t: ExecutionContext): Promise<OwnHost> {
  const pid = await namespaceOf(t)
  const root = join(temporaryDirectory(t), 'root')
  const inside = ['--net', `--target=${pid}`]
  const env = { ...process.env, PATH, CLOISTER_ROOT: root }
  const store = new NetworkStore(join(root, 'data'))
  const sh = (line: string): string =>
    execFileSync('nsenter', [...inside, 'sh', '-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env })
  const start = (...args: readonly string[]): ChildProcess =>
    // nsenter becomes the command: a signal to it is one to that.
    spawn('nsenter', [...inside, CLOISTER, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HANG_MS,
      killSignal: 'SIGKILL',
    })
  const seen = new Set<string>()
  const host: OwnHost = {
    ...{ root, pid, store, sh, start },
    keep(line, input) {
      const child = spawn('nsenter', [...inside, 'sh', '-c', `exec ${line}`], {
        env,
        stdio: ['pipe', 'ignore', 'inherit'],
      })
      t.teardown(() => void child.kill('SIGKILL'))
      child.stdin.write(input)
      return child
    },
    async cloister(...args) {
      const child = start(...args)
      const streams = { stdout: '', stderr: '' }
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]!.setEncoding('utf8').on('data', (text: string) => {
          streams[name] += text
        })
      }
      const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
      return { status: code ?? signal ?? 'lost', ...streams }
    },
    leased() {
      const names = store.names().flatMap((name) => store.leases(name).map((lease) => lease.interface))
      for (const name of names) seen.add(name)
      return names
    },
    left: () => [
      ...sh('ip -o link show')
        .split('\n')
        .map((line) => line.split(': ')[1] ?? '')
        .filter((name) => /^(cl-|clp)/.test(name)),
      ...sh('nft list tables').split('\n').filter(Boolean),
      ...store.names(),
      ...[...seen].filter((name) => existsSync(`/run/netns/${name}`)),
    ],
  }
  t.teardown(async () => {
    const names = (await host.cloister('ps', '-a', '-q')).stdout.split('\n').filter(Boolean)
    if (names.length > 0) await host.cloister('rm', '-f', ...names)
  })
  return host
}

/** Another one, joined to nothing yet: what is beyond the host. */
export async function namespaceOf(t: ExecutionContext): Promise<number> {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  return child.pid!
}

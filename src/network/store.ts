/**
 * Networks on record, and who has which address on them:
 *
 *   <data root>/networks/.lock
 *   <data root>/networks/NAME/     network.json, leases.json
 *
 * Whoever changes anything holds the lock, which the kernel takes from a process that dies.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from '../../kvm-bindings/ffi.ts'
import { HostError, UsageError } from '../errors.ts'
import { claimDirectory, stateRoots } from '../instance/state-root.ts'
import { isHostAddress, parseAddress, parseCidr, type Subnet } from './ipv4.ts'
import { isLease, type Lease } from './leases.ts'
import { checkNetworkName, networkNames } from './name.ts'

export interface NetworkRecord {
  readonly name: string
  /** `10.77.0.0/24` */
  readonly subnet: string
  /** The host's own address on it. */
  readonly gateway: string
  readonly mtu: number
  readonly nat: boolean
  /** Its instances reach the host, but not each other. */
  readonly isolated: boolean
  /** The interface, and the nftables table of the same name. */
  readonly bridge: string
  /** Interfaces on which forwarding was off before this network was made. */
  readonly forwarded: readonly string[]
  /** ISO 8601. */
  readonly createdAt: string
}

const PATIENCE_MS = 30_000
const LOOK_MS = 5

export class NetworkStore {
  readonly #dataRoot: string
  readonly #directory: string

  /** Looks at nothing and makes nothing yet. */
  constructor(dataRoot: string = stateRoots().data) {
    this.#dataRoot = dataRoot
    this.#directory = join(dataRoot, 'networks')
  }

  names(): string[] {
    return networkNames(this.#directory)
  }

  /** Undefined for one that there is not, or whose record cannot be read. */
  read(name: string): NetworkRecord | undefined {
    const record = readJson<NetworkRecord>(join(this.#path(name), 'network.json'))
    return record && isRecord(record, name) ? record : undefined
  }

  list(): NetworkRecord[] {
    return this.names().flatMap((name) => this.read(name) ?? [])
  }

  /** @param action `attach web to` @throws UsageError */
  named(name: string, action: string): NetworkRecord {
    const record = this.read(name)
    if (record) return record
    const names = this.names()
    throw new UsageError(`Cannot ${action} network "${name}": there is none of that name.`, {
      hint:
        names.length === 0
          ? `There are no networks: make one with "cloister network create ${name}".`
          : `There ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}.`,
    })
  }

  leases(name: string): Lease[] {
    const subnet = this.#subnet(name)
    const leases = readJson<Lease[]>(join(this.#path(name), 'leases.json'))
    return subnet && Array.isArray(leases) ? leases.filter((lease) => isLease(lease, subnet)) : []
  }

  /** Under the lock. */
  write(record: NetworkRecord): void {
    mkdirSync(this.#path(record.name), { recursive: true, mode: 0o700 })
    replaceFile(join(this.#path(record.name), 'network.json'), record)
  }

  /** Under the lock. */
  writeLeases(name: string, leases: readonly Lease[]): void {
    replaceFile(join(this.#path(name), 'leases.json'), leases)
  }

  /** Under the lock. */
  forget(name: string): void {
    rmSync(this.#path(name), { recursive: true, force: true })
  }

  /**
   * Does the work alone among all Cloister processes. Blocks: what is done under it takes milliseconds.
   * @throws HostError when the data root is not safely ours
   */
  locked<T>(work: () => T): T {
    claimDirectory(this.#dataRoot)
    claimDirectory(this.#directory)
    const fd = openSync(join(this.#directory, '.lock'), 'w', 0o600)
    try {
      for (const deadline = performance.now() + PATIENCE_MS; !tryLock(fd); sleepSync(LOOK_MS)) {
        if (performance.now() < deadline) continue
        throw new HostError('Cannot change networks: another Cloister process is at it and does not finish.')
      }
      return work()
    } finally {
      closeSync(fd)
    }
  }

  #path(name: string): string {
    return join(this.#directory, checkNetworkName(name))
  }

  #subnet(name: string): Subnet | undefined {
    const record = this.read(name)
    return record && parseCidr(record.subnet)
  }
}

/** What those rely on who remove interfaces and tables by these names. */
function isRecord({ name, subnet, gateway, mtu, bridge, forwarded }: NetworkRecord, expected: string): boolean {
  const parsed = parseCidr(subnet)
  return (
    name === expected &&
    parsed !== undefined &&
    isHostAddress(parsed, parseAddress(gateway) ?? -1) &&
    Number.isSafeInteger(mtu) &&
    /^cl-[a-zA-Z0-9_.-]{1,12}$/.test(bridge) &&
    Array.isArray(forwarded)
  )
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch {
    return undefined
  }
}

/** In one step: a reader sees the old content or the new. */
function replaceFile(path: string, content: unknown): void {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(content)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

const sleepSync = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

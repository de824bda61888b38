/** `--net NETWORK|tap:NAME|none`; what is a wire may have `:bps=RATE` and `:iops=RATE` behind it. */
import { HostError, UsageError } from '../errors.ts'
import type { Isolation, NetworkSpec } from '../instance/run-spec.ts'
import { checkNetworkName, networkNames } from '../network/name.ts'
import { splitRate } from './parse-rate.ts'
import { suggest } from './suggest.ts'

type Wire = Exclude<NetworkSpec, { kind: 'none' }>

/** What the kernel takes for the name of an interface: 15 bytes, no slash, no blank. dev_valid_name() */
const INTERFACE = /^(?!\.{1,2}$)[^\s/:\p{Cc}]{1,15}$/u

/** @throws UsageError, HostError */
export function parseNetwork(asked: string, isolation: Isolation): NetworkSpec {
  const { rest, rate } = splitRate(asked)
  if (rest === 'none') return { kind: 'none' }
  if (rate && isolation === 'container') {
    throw new UsageError(
      `Cannot hold a container to a rate of ${asked.slice(rest.length + 1)}: only virtual machines.`,
      {
        hint: 'Limit its interface with tc(8), or use --isolation unikernel.',
      },
    )
  }
  const wire = rest.startsWith('tap:') ? tap(rest.slice(4), isolation) : network(rest)
  return rate ? { ...wire, rate } : wire
}

function tap(name: string, isolation: Isolation): Wire {
  if (isolation === 'container') {
    throw new UsageError('Cannot attach a container to a tap: that is the wire of a virtual network card.', {
      hint: 'Make a network with "cloister network create n1" and write --net n1: VMs and containers share it.',
    })
  }
  if (INTERFACE.test(name) && Buffer.byteLength(name) <= 15) return { kind: 'tap', name }
  throw new UsageError(`Cannot attach to the tap ${JSON.stringify(name.slice(0, 80))}: no interface has such a name.`, {
    hint: 'Write --net tap:NAME, with the name of a tap of this host.',
  })
}

function network(asked: string): Wire {
  const name = checkNetworkName(asked)
  if (process.geteuid?.() !== 0) {
    throw new HostError(`Cannot attach to network "${name}": interfaces of the host are for root alone to make.`, {
      hint: 'Run the command with sudo, or without --net.',
    })
  }
  const names = networkNames()
  if (names.includes(name)) return { kind: 'network', name }
  const near = suggest(name, names)
  throw new UsageError(`Cannot attach to network "${name}": there is none of that name.`, {
    hint:
      names.length === 0
        ? `There are no networks: "cloister network create ${name}" makes it.`
        : near === undefined
          ? `There ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}.`
          : `Did you mean "${near}"? There ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}.`,
  })
}

/** `cloister network create|ls|inspect|rm`. */
import { UsageError } from '../../errors.ts'
import { stateRoots } from '../../instance/state-root.ts'
import { parseAddress } from '../../network/ipv4.ts'
import { macOf } from '../../network/leases.ts'
import { createNetwork, isRaised, removeNetwork } from '../../network/networks.ts'
import { type NetworkRecord, NetworkStore } from '../../network/store.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { forEachNamed, openStore, sayFault } from '../instances.ts'
import { parseWhole } from '../quantities.ts'
import { sweepNetworks } from '../sweep.ts'
import { renderTable } from '../table.ts'
import { print } from '../terminal.ts'

/** IPv4 asks for the least of every link (RFC 791); the most is that of a packet. */
const [LEAST_MTU, MOST_MTU] = [68, 65_535]

export async function create({ arguments: parsed }: CommandContext): Promise<number> {
  const [name = ''] = parsed.operands
  const [subnet, gateway] = [text(parsed, 'subnet'), text(parsed, 'gateway')]
  if (gateway !== undefined && subnet === undefined) {
    throw new UsageError('Cannot choose the gateway of a subnet that is yet to be found.', {
      hint: 'Give the subnet as well: --subnet 10.77.0.0/24.',
    })
  }
  const mtu = parseWhole(text(parsed, 'mtu') ?? '1500', { what: 'the MTU', min: LEAST_MTU, max: MOST_MTU })
  const { data } = stateRoots()
  const request = {
    ...{ name, mtu, nat: flag(parsed, 'nat'), isolated: flag(parsed, 'isolated') },
    ...(subnet === undefined ? {} : { subnet }),
    ...(gateway === undefined ? {} : { gateway }),
  }
  createNetwork(new NetworkStore(data), request, data)
  print(name)
  return 0
}

/** The store, after what crashed was noticed: an instance that is gone holds no address. */
async function openNetworks(context: CommandContext): Promise<NetworkStore> {
  await openStore(context)
  await sweepNetworks()
  return new NetworkStore()
}

export async function ls(context: CommandContext): Promise<number> {
  const store = await openNetworks(context)
  const parsed = context.arguments
  const networks = store.list().map((record) => ({ record, attached: store.leases(record.name).length }))
  if (flag(parsed, 'quiet')) for (const { record } of networks) print(record.name)
  else if (flag(parsed, 'json')) print(JSON.stringify(networks.map(asJson), undefined, 2))
  else print(renderTable(['NAME', 'SUBNET', 'GATEWAY', 'BRIDGE', 'OPTIONS', 'ATTACHED'], networks.map(asRow)))
  return 0
}

interface Listed {
  readonly record: NetworkRecord
  readonly attached: number
}

const asJson = ({ record, attached }: Listed) => ({ ...withoutNotes(record), up: isRaised(record), attached })

function asRow({ record, attached }: Listed): string[] {
  const { name, subnet, gateway, bridge, nat, isolated } = record
  const options = [...(nat ? ['nat'] : []), ...(isolated ? ['isolated'] : []), ...(isRaised(record) ? [] : ['down'])]
  return [name, subnet, gateway, bridge, options.join(',') || '-', String(attached)]
}

/** What the next removal is to switch back is nobody else's business. */
function withoutNotes({ forwarded: _forwarded, ...record }: NetworkRecord) {
  return record
}

export async function inspect(context: CommandContext): Promise<number> {
  const store = await openNetworks(context)
  let status = 0
  const found = context.arguments.operands.flatMap((name) => {
    try {
      const record = store.named(name, 'inspect')
      const instances = store.leases(name).map(({ instance, address, interface: device, kind }) => {
        const mac = macOf(parseAddress(address)!)
        return { name: instance, address, mac, interface: device, kind }
      })
      return [{ ...record, up: isRaised(record), instances }]
    } catch (error) {
      sayFault(error)
      status = 1
      return []
    }
  })
  print(JSON.stringify(found, undefined, 2))
  return status
}

export async function rm(context: CommandContext): Promise<number> {
  const store = await openNetworks(context)
  return forEachNamed(context.arguments.operands, async (name) => {
    removeNetwork(store, name)
    return name
  })
}

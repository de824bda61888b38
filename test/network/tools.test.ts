import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { HostError } from '../../src/errors.ts'
import { findTool, requireNetworking } from '../../src/network/tools.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function directoryWith(t: ExecutionContext, ...tools: readonly string[]): string {
  const directory = temporaryDirectory(t)
  for (const tool of tools) {
    writeFileSync(join(directory, tool), '')
    chmodSync(join(directory, tool), 0o755)
  }
  return directory
}

test('an ordinary user is told to use sudo, before anything else', (t) => {
  const error = t.throws(() => requireNetworking('create network "n1"', ['ip', 'nft'], { uid: 1000, within: [] }), {
    instanceOf: HostError,
    message: 'Cannot create network "n1": interfaces of the host are for root alone to make.',
  })
  t.regex((error as HostError).hint ?? '', /sudo/)
})

test('a tool that is missing is named, with its package', (t) => {
  for (const [there, message, hint] of [
    [[], /this host has no ip and no nft\.$/, /install iproute2 nftables$/],
    [['ip'], /this host has no nft\.$/, /install nftables$/],
    [['nft'], /this host has no ip\.$/, /install iproute2$/],
  ] as const) {
    const within = [directoryWith(t, ...there)]
    const error = t.throws(() => requireNetworking('x', ['ip', 'nft'], { uid: 0, within }), { message })
    t.regex((error as HostError).hint ?? '', hint)
  }
  t.notThrows(() => requireNetworking('x', ['ip', 'nft'], { uid: 0, within: [directoryWith(t, 'ip', 'nft')] }))
})

test('the first directory that has it counts; one of no absolute path, and a file that is not executable, do not', (t) => {
  const [first, second] = [directoryWith(t, 'ip'), directoryWith(t, 'ip', 'nft')]
  t.is(findTool('ip', ['', '.', first, second]), join(first, 'ip'))
  chmodSync(join(first, 'ip'), 0o644)
  t.is(findTool('nft', [first, second]), join(second, 'nft'))
  if (process.geteuid?.() !== 0) t.is(findTool('ip', [first, second]), join(second, 'ip'))
})

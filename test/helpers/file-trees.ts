/** Trees of files as fast-check makes them, on disk, and as a plain description that two of them can be compared by. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { packageRoot } from '../../src/paths.ts'

export type Node =
  | { readonly kind: 'file'; readonly content: Uint8Array; readonly mode: number; readonly mtime: number }
  | { readonly kind: 'directory'; readonly children: readonly Child[]; readonly mode: number; readonly mtime: number }
  | { readonly kind: 'symlink'; readonly target: string }
  /** A second name of the file that was made last, if any was. */
  | { readonly kind: 'link' }

export interface Child {
  /** A character a byte. */
  readonly name: string
  readonly node: Node
}

/** Any bytes but the two that no name has. */
const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f)
const odd = fc
  .array(byte, { minLength: 1, maxLength: 255 })
  .map((bytes) => String.fromCharCode(...bytes))
  .filter((name) => name !== '.' && name !== '..')
export const fileName = fc.oneof(fc.constantFrom('a', 'b', 'with space', '-n', '...', 'é'.repeat(60)), odd)

const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o700, 0o711, 0o777)
const mtime = fc.constantFrom(0, 1, 1_700_000_000, 4_000_000_000)
/** Around the blocks of the archive, and the buffers of its readers. */
const size = fc.oneof(
  fc.constantFrom(0, 1, 511, 512, 513, 1024, 65_535, 65_536, 200_000),
  fc.integer({ max: 3000, min: 0 }),
)
const content = fc
  .tuple(size, fc.integer({ min: 0, max: 255 }))
  .map(([length, first]) => Uint8Array.from({ length }, (_, at) => (first + at * 7 + (at >> 9)) & 0xff))
const linkTarget = fc.oneof(fc.constantFrom('/etc/passwd', '../..', '.', 'a', 'x'.repeat(300)), odd)

export const fileNode: fc.Arbitrary<Node> = fc.record({ kind: fc.constant('file' as const), content, mode, mtime })

const { node } = fc.letrec<{ node: Node; directory: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fileNode,
    fc.record({ kind: fc.constant('symlink' as const), target: linkTarget }),
    fc.constant({ kind: 'link' as const }),
    tie('directory') as fc.Arbitrary<Node>,
  ),
  directory: fc.record({
    kind: fc.constant('directory' as const),
    mode,
    mtime,
    children: fc.uniqueArray(fc.record({ name: fileName, node: tie('node') as fc.Arbitrary<Node> }), {
      selector: ({ name }) => name,
      maxLength: 6,
    }),
  }),
}))

export const tree: fc.Arbitrary<Node> = fc.record({
  kind: fc.constant('directory' as const),
  mode,
  mtime,
  children: fc.uniqueArray(fc.record({ name: fileName, node }), { selector: ({ name }) => name, maxLength: 8 }),
})

const bytesOf = (name: string) => Buffer.from(name, 'latin1')
const inside = (directory: Buffer, name: string) => Buffer.concat([directory, Buffer.from('/'), bytesOf(name)])

/** @param made the file made last, which a `link` names once more */
export function makeTree(path: Buffer, node: Node, made: { file?: Buffer } = {}): void {
  if (node.kind === 'file') {
    writeFileSync(path, node.content)
    chmodSync(path, node.mode)
    utimesSync(path, node.mtime, node.mtime)
    made.file = path
  } else if (node.kind === 'symlink') {
    symlinkSync(bytesOf(node.target), path)
    lutimesSync(path, 1000, 1000)
  } else if (node.kind === 'link') {
    if (made.file) linkSync(made.file, path)
  } else {
    mkdirSync(path)
    for (const child of node.children) makeTree(inside(path, child.name), child.node, made)
    chmodSync(path, node.mode)
    utimesSync(path, node.mtime, node.mtime)
  }
}

/** One line a file, by its path in the tree. */
export function describeTree(root: string): Record<string, string> {
  const lines: Record<string, string> = {}
  const names = new Map<string, string>()
  const look = (path: Buffer, name: string) => {
    const stat = lstatSync(path)
    const mode = (stat.mode & 0o7777).toString(8)
    const seconds = Math.floor(stat.mtimeMs / 1000)
    if (stat.isSymbolicLink()) lines[name] = `link to ${readlinkSync(path, 'latin1')} ${seconds}`
    else if (stat.isDirectory()) {
      lines[name] = `directory ${mode} ${seconds}`
      for (const child of readdirSync(path, { encoding: 'latin1' }).sort())
        look(inside(path, child), `${name}/${child}`)
    } else {
      const id = `${stat.dev}:${stat.ino}`
      const same = names.get(id)
      names.set(id, name)
      const what = stat.isFile() ? readFileSync(path).toString('base64') : 'special'
      lines[name] = same === undefined ? `file ${mode} ${seconds} ${what}` : `same as ${same}`
    }
  }
  look(Buffer.from(root), '')
  return lines
}

/** The tools of rootfs/tool, compiled with what notices a read or write out of bounds. @returns the program */
export function compileTools(directory: string): string {
  const program = join(directory, 'tool')
  const flags = ['-std=c11', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined']
  const sources = readdirSync(join(packageRoot, 'rootfs/tool')).filter((file) => file.endsWith('.c'))
  const paths = sources.map((file) => join(packageRoot, 'rootfs/tool', file))
  execFileSync('gcc', [...flags, '-fno-sanitize-recover', '-o', program, ...paths], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return program
}

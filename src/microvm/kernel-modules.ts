/**
 * The modules that a Linux of the user's own needs before our agent can do anything: drivers of our devices and file
 * systems, which distributions do not build in. They are looked for beside the kernel (`order` and `modules/`, as
 * scripts/lab/kernel.sh lays them out) and where the host keeps those of its version. modules.dep(5), modules.builtin(5)
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { HostError, pathFault, UsageError } from '../errors.ts'

export interface KernelModule {
  /** Of its file, in which order they are loaded. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Where the modules of a kernel are listed. */
export type ModuleIndex =
  | { readonly kind: 'order'; readonly file: string; readonly directory: string }
  | { readonly kind: 'dep'; readonly file: string; readonly directory: string }

/** Without these there is no way to the agent, or none from it to the program's files. */
const NEEDED = ['virtio_mmio', 'virtio_blk', 'vmw_vsock_virtio_transport', 'erofs', 'overlay'] as const
const USEFUL = [
  'crc32c_generic',
  'virtio_net',
  'virtio_console',
  'virtio_rng',
  'virtio_balloon',
  '9pnet_virtio',
  '9p',
] as const

const MODULES_MAX = 256
/** setup_header: "HdrS", and the offset of the version's text less 0x200. Linux Documentation/arch/x86/boot.rst */
const MAGIC_AT = 0x202
const MAGIC = 'HdrS'
const VERSION_AT = 0x20e
const VERSION_BASE = 0x200
const VERSION_MAX = 128

/** @param root where the host keeps modules. Undefined when there are none, as for a kernel that has all built in. */
export function findModules(kernel: string, root = '/lib/modules'): ModuleIndex | undefined {
  for (const beside of [join(dirname(kernel), 'guest'), dirname(kernel)]) {
    const file = join(beside, 'order')
    if (existsSync(file) && existsSync(join(beside, 'modules'))) {
      return { kind: 'order', file, directory: join(beside, 'modules') }
    }
  }
  const version = kernelVersion(kernel)
  if (version === undefined) return undefined
  const directory = join(root, version)
  const file = join(directory, 'modules.dep')
  return existsSync(file) ? { kind: 'dep', file, directory } : undefined
}

/** Another set of files has another: what is loaded from them is not read for it. */
export function modulesStamp({ kind, file, directory }: ModuleIndex): string {
  // depmod(8) writes its list anew whenever modules come or go.
  const files = kind === 'dep' ? [file] : [file, ...readdirSync(directory).map((name) => join(directory, name))]
  return files
    .map((path) => {
      const { size, mtimeMs, ino } = statSync(path)
      return `${path} ${size} ${mtimeMs} ${ino}`
    })
    .join('\n')
}

/** The release that a bzImage says it is, such as `6.1.0-56-amd64`; it is no path. */
export function kernelVersion(kernel: string): string | undefined {
  let fd: number | undefined
  try {
    fd = openSync(kernel, 'r')
    const header = Buffer.alloc(VERSION_AT + 2)
    readSync(fd, header, 0, header.length, 0)
    if (header.toString('latin1', MAGIC_AT, MAGIC_AT + MAGIC.length) !== MAGIC) return undefined
    const text = Buffer.alloc(VERSION_MAX)
    const count = readSync(fd, text, 0, text.length, header.readUInt16LE(VERSION_AT) + VERSION_BASE)
    return /^(?!\.)[\w.+~-]+(?=[ \0])/.exec(text.toString('latin1', 0, count))?.[0]
  } catch {
    // Whoever boots it says what is wrong with it.
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** In the order in which they must be loaded. @throws UsageError when one is missing, HostError when it cannot be unpacked */
export function readModules(index: ModuleIndex): KernelModule[] {
  const files = index.kind === 'order' ? inOrder(index) : byDependency(index)
  if (files.length > MODULES_MAX) throw refused(index, `it names ${files.length} modules, ${MODULES_MAX} at most`)
  return files.map((file) => ({ name: basename(file).replace(/\.(xz|gz|zst)$/, ''), bytes: unpack(file) }))
}

const inOrder = ({ file, directory }: ModuleIndex): string[] =>
  linesOf(file).map((name) => {
    if (basename(name) !== name || name === '..') throw refused({ file }, `"${name}" is no name of a file`)
    return join(directory, name)
  })

function byDependency(index: ModuleIndex): string[] {
  const { file, directory } = index
  const dependencies = new Map<string, { readonly path: string; readonly needs: readonly string[] }>()
  for (const line of linesOf(file)) {
    const [path = '', needs = ''] = line.split(':', 2)
    dependencies.set(nameOf(path), { path, needs: needs.split(' ').filter(Boolean).map(nameOf) })
  }
  const builtIn = new Set(linesOf(join(directory, 'modules.builtin')).map(nameOf))
  const missing = NEEDED.find((name) => !dependencies.has(name) && !builtIn.has(name))
  if (missing) throw refused(index, `there is no module ${missing}, and it is not built in`)
  const taken = new Set<string>()
  const files: string[] = []
  const take = (name: string) => {
    const found = dependencies.get(name)
    if (!found || taken.has(name)) return
    taken.add(name)
    for (const need of found.needs) take(need)
    files.push(join(directory, found.path))
  }
  for (const name of [...NEEDED, ...USEFUL]) take(name)
  return files
}

/** Files may have `-` where modules have `_`. */
const nameOf = (path: string) =>
  basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_')

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch (cause) {
    throw refused({ file }, pathFault(cause), cause)
  }
}

const UNPACKERS: Readonly<Record<string, readonly string[]>> = { xz: ['xz', '-dc'], zst: ['zstd', '-dc'] }

function unpack(file: string): Uint8Array {
  const packed = read(file)
  const kind = /\.ko\.(\w+)$/.exec(file)?.[1]
  if (kind === undefined) return packed
  if (kind === 'gz') return gunzipSync(packed)
  const [tool, ...args] = UNPACKERS[kind] ?? []
  if (tool === undefined) throw refused({ file }, `it is packed in a way that is not known here: .${kind}`)
  const { error, status, stdout } = spawnSync(tool, args, { input: packed, maxBuffer: 256 * 2 ** 20 })
  if (!error && status === 0) return stdout
  throw new HostError(
    `Cannot unpack the kernel module ${file}: ${error ? pathFault(error) : `${tool} ended with ${status}`}.`,
    {
      hint: `It takes the program ${tool}: apt install ${tool === 'xz' ? 'xz-utils' : tool}.`,
      cause: error,
    },
  )
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw refused({ file }, pathFault(cause), cause)
  }
}

const refused = ({ file }: { readonly file: string }, reason: string, cause?: unknown) =>
  new UsageError(`Cannot use the kernel modules of ${file}: ${reason}.`, {
    hint: 'Bring what the kernel needs in an initial RAM disk of your own: --initrd FILE, with modules/order in it.',
    cause,
  })

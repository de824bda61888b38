/** What the user asked to run: the same shape for every isolation level. */

export const ISOLATION_LEVELS = ['container', 'unikernel', 'microvm'] as const
export type Isolation = (typeof ISOLATION_LEVELS)[number]

/** Where the program's files come from. */
export type FileSource =
  /** One ELF file of the host, seen inside at the absolute path the user typed. */
  | { readonly kind: 'program'; readonly hostPath: string; readonly path: string }
  /** A directory of the host that becomes the root, copy-on-write: writes never reach it. */
  | { readonly kind: 'rootfs'; readonly directory: string }

export type Source =
  | FileSource
  /** No program of ours to run: a kernel of the user's own, with what it brings in its initial RAM disk. VMs only. */
  | { readonly kind: 'kernel'; readonly path: string }

/** How fast a device of a VM may work; what is left out is not limited. */
export interface RateSpec {
  readonly bytesPerSecond?: number
  /** Requests of a disk, frames of a network card in each direction. */
  readonly operationsPerSecond?: number
}

/** A raw disk image or block device of the host. */
export interface DiskSpec {
  readonly path: string
  readonly readOnly: boolean
  /** Writes never reach it: they are kept aside while the instance lives. */
  readonly copyOnWrite?: boolean
  /** It holds what differs from this image, which is never written. */
  readonly base?: string
  readonly rate?: RateSpec
}

/** `tap`: an interface of the host that the user made. `network`: one of `cloister network create`. */
export type NetworkSpec =
  | { readonly kind: 'none' }
  | { readonly kind: 'tap' | 'network'; readonly name: string; readonly rate?: RateSpec }

/** By number: names are those of the files inside. */
export interface UserSpec {
  readonly uid: number
  readonly gid: number
}

/** A directory of the host, seen inside at another path. */
export interface VolumeSpec {
  /** Absolute, on the host. */
  readonly source: string
  /** Absolute, inside. */
  readonly target: string
  readonly readOnly: boolean
}

export interface RunSpec {
  /** Unique among instances; also the hostname inside. */
  readonly name: string
  readonly isolation: Isolation
  readonly source: Source
  /** The program's path inside; looked up in PATH when it has no slash. */
  readonly program: string
  /** argv, argv[0] included. */
  readonly argv: readonly string[]
  /** `K=V` strings; PATH, HOME and HOSTNAME have defaults already. */
  readonly env: readonly string[]
  readonly cwd: string
  /** Guest memory of a VM, memory limit of a container; bytes. */
  readonly memoryBytes: number
  /** Processors: vCPUs of a VM, quota of a container. */
  readonly cpus: number
  /** Whether the caller's stdin is connected (`-i`); otherwise the program reads end of file. */
  readonly interactive: boolean
  /** Whether the program gets a terminal of its own (`-t`). */
  readonly tty?: boolean
  /** Root unless said. */
  readonly user?: UserSpec
  /** Containers and microVMs. */
  readonly volumes?: readonly VolumeSpec[]
  /** What it is attached to; nothing unless said. */
  readonly network?: NetworkSpec
  /** The rest is for VMs only. Disks come up in this order: /dev/vda, /dev/vdb, ... */
  readonly disks?: readonly DiskSpec[]
  readonly kernel?: string
  /** Of a kernel that runs no program of ours, or beside our agent in a microVM. */
  readonly initrd?: string
  readonly append?: string
  /** It goes on where the instance of this snapshot was, instead of starting. The directory of the snapshot. */
  readonly from?: string
  /** Boots its kernel even where a snapshot of the booted kernel is at hand. */
  readonly cold?: boolean
  readonly trace?: { readonly kind: 'exits'; readonly file?: string }
}

/**
 * What a client has open, written down and opened again elsewhere: by its path below the share, if the same file is still
 * there. What is not, is stale from then on (ESTALE), as it would be on NFS: the rest of the guest goes on.
 */
import { O_DIRECTORY, O_PATH, S_IFMT } from '../../../kvm-bindings/constants.ts'
import { close } from '../../../kvm-bindings/ffi.ts'
import { statOf } from '../../../kvm-bindings/file-tree.ts'
import { HostError } from '../../errors.ts'
import { type Fid, OpenFile } from './fids.ts'
import type { SavedFid } from './file-server.ts'
import { checkOpen, openFlags } from './open.ts'
import { granted, Refusal } from './refusal.ts'
import type { Session } from './session.ts'
import type { Share } from './share.ts'

export const saveFids = (session: Session): SavedFid[] =>
  [...session.fids.entries()].map(([number, fid]) => ({
    fid: number,
    uid: fid.uid,
    flags: fid.flags ?? null,
    ...whatIs(session.share, fid),
  }))

function whatIs(share: Share, { file }: Fid): Pick<SavedFid, 'path' | 'inode' | 'type'> {
  if (!file) return { path: null, inode: '0', type: 0 }
  const stat = granted(statOf(file.fd))
  const known = { inode: String(stat.st_ino), type: stat.st_mode & S_IFMT }
  return orElse(() => ({ path: Buffer.from(share.locate(file.fd)).toString('latin1'), ...known }), {
    path: null,
    ...known,
  })
}

/** Into an empty table. */
export function restoreFids({ share, fids }: Session, saved: readonly SavedFid[]): void {
  for (const one of saved) {
    const { fid: number, uid, flags } = one
    if (orElse(() => fids.checkNew(number), false) === false) {
      throw new HostError(
        `Cannot restore a share: there is no room for file ${number} of its guest, or it is there twice.`,
        {
          hint: 'The snapshot is damaged, or this process may have fewer files open than the one before.',
        },
      )
    }
    const fd = orElse(() => openAgain(share, one), undefined)
    fids.set(number, {
      uid,
      file: fd === undefined ? undefined : new OpenFile(fd),
      isRoot: one.path === '',
      flags: flags ?? undefined,
    })
  }
}

function openAgain(share: Share, { path, inode, type, flags }: SavedFid): number | undefined {
  if (path === null) return undefined
  if (path === '') return share.reopen(share.root, flags === null ? O_PATH | O_DIRECTORY : O_DIRECTORY)
  const { directory, name, isRoot } = share.parentOf(Buffer.from(path, 'latin1'))
  let found: number | undefined
  try {
    const { fd, stat } = share.enter(directory, name, isRoot)
    found = fd
    if (String(stat.st_ino) !== inode || (stat.st_mode & S_IFMT) !== type) return undefined
    if (flags === null) {
      found = undefined
      return fd
    }
    const again = openFlags(flags)
    checkOpen(share, stat, again)
    return share.reopen(fd, again)
  } finally {
    if (found !== undefined) close(found)
    close(directory)
  }
}

function orElse<T, U>(work: () => T, otherwise: U): T | U {
  try {
    return work()
  } catch (error) {
    if (error instanceof Refusal) return otherwise
    throw error
  }
}

/** Which operation a message is, for those that are answered on the spot. */
import { EOPNOTSUPP } from '../../../kvm-bindings/constants.ts'
import { getattr, setattr, statfs } from './attributes.ts'
import { readdir } from './directory.ts'
import { link, mkdir, mknod, readlink, remove, rename, renameat, symlink, unlinkat } from './entries.ts'
import { getlock, lock } from './locks.ts'
import { lcreate, lopen } from './open.ts'
import { T } from './protocol.ts'
import { Refusal } from './refusal.ts'
import type { Operation } from './session.ts'
import { attach, auth, clunk, walk } from './walk.ts'

/** Extended attributes and access lists are not passed on: EOPNOTSUPP, which Linux takes for "there are none here". */
const noAttributes: Operation = () => {
  throw new Refusal(EOPNOTSUPP)
}

export const OPERATIONS: ReadonlyMap<number, Operation> = new Map([
  [T.auth, auth],
  [T.attach, attach],
  [T.walk, walk],
  [T.clunk, clunk],
  [T.lopen, lopen],
  [T.lcreate, lcreate],
  [T.getattr, getattr],
  [T.setattr, setattr],
  [T.statfs, statfs],
  [T.readdir, readdir],
  [T.readlink, readlink],
  [T.mkdir, mkdir],
  [T.symlink, symlink],
  [T.mknod, mknod],
  [T.link, link],
  [T.rename, rename],
  [T.renameat, renameat],
  [T.unlinkat, unlinkat],
  [T.remove, remove],
  [T.lock, lock],
  [T.getlock, getlock],
  [T.xattrwalk, noAttributes],
  [T.xattrcreate, noAttributes],
])

/**
 * Whose the files of a share are, inside and outside. With root's rights the numbers are the same on both sides. An
 * ordinary user has no others to give: inside, his files are root's and all others nobody's, as in a container of his.
 */

const NOBODY = 65534

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Owners {
  /** Whether what a guest makes can be given to its user. */
  readonly canGive: boolean
  inside(owner: Owner): Owner
  /** Undefined for a user that this side does not have. */
  outsideUid(uid: number): number | undefined
  outsideGid(gid: number): number | undefined
}

export function ownersFor(uid: number, gid: number): Owners {
  if (uid === 0) {
    return { canGive: true, inside: (owner) => owner, outsideUid: (id) => id, outsideGid: (id) => id }
  }
  return {
    canGive: false,
    inside: (owner) => ({ uid: owner.uid === uid ? 0 : NOBODY, gid: owner.gid === gid ? 0 : NOBODY }),
    outsideUid: (id) => (id === 0 ? uid : undefined),
    outsideGid: (id) => (id === 0 ? gid : undefined),
  }
}

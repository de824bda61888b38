/** What makes the root images of microVMs: mkfs.erofs of erofs-utils. */
import { findMaker } from '../microvm/image-maker.ts'
import { type Finding, pass, warn } from './check.ts'

/** Not a failure: the other levels do without. */
export function examineRootImages(find = () => findMaker()): Finding {
  const maker = find()
  return maker === undefined
    ? warn('no mkfs.erofs', 'microVMs cannot run without it. Install it as root: apt install erofs-utils', {
        found: false,
      })
    : pass(maker.path, { found: true, path: maker.path })
}

/** The program that makes root images: where it is, and which one it is. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export const MAKER = 'mkfs.erofs'

export interface ImageMaker {
  readonly path: string
  /** Another version has another: it may lay out the same files in another way. */
  readonly stamp: string
}

/** Undefined where there is none. @param name of a program, or a path of one */
export function findMaker(name: string = MAKER, searchPath = process.env.PATH ?? ''): ImageMaker | undefined {
  const paths = name.includes('/') ? [name] : searchPath.split(delimiter).map((directory) => join(directory, name))
  for (const path of paths) {
    const status = statSync(path, { throwIfNoEntry: false })
    if (!status?.isFile() || !isExecutable(path)) continue
    return { path, stamp: `${status.size} ${status.mtimeMs}` }
  }
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

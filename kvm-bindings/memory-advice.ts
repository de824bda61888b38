/** What the host kernel is told about the pages of a mapping. madvise(2) */
import { MADV_DONTNEED, MADV_NOHUGEPAGE, MADV_REMOVE } from './constants.ts'
import { cFunction, retrying } from './ffi.ts'

const cMadvise = cFunction('madvise', 'int', ['uintptr', 'size_t', 'int'])

/**
 * Whole pages of a shared mapping that its owner keeps during the call; they read as zeros afterwards. MADV_REMOVE
 * punches a hole into the file behind the mapping, as fallocate(2) does: MADV_DONTNEED would only forget that this
 * process looked at the pages, and free nothing.
 */
export const discardPages = (address: bigint, length: number): void => {
  retrying(() => cMadvise()(address, length, MADV_REMOVE), 'madvise')
}

/**
 * The same of a private mapping: what was written there is forgotten, and what is behind the mapping shows again, zeros
 * where that is nothing.
 */
export const forgetPages = (address: bigint, length: number): void => {
  retrying(() => cMadvise()(address, length, MADV_DONTNEED), 'madvise')
}

/** No transparent huge pages there. A kernel that has none says EINVAL. */
export const useSmallPages = (address: bigint, length: number): void => {
  cMadvise()(address, length, MADV_NOHUGEPAGE)
}

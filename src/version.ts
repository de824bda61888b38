/** The version, from package.json: the bundler writes it in, so that the command reads no file for it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './paths.ts'

declare const CLOISTER_VERSION: string | undefined

export const VERSION: string =
  typeof CLOISTER_VERSION === 'string'
    ? CLOISTER_VERSION
    : (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version

/** `run --kernel FILE` without a program: what of the request makes sense then, and what it becomes. */
import { posix } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Isolation, Source } from '../instance/run-spec.ts'
import { type ParsedArguments, text } from './command.ts'

/** They are about a program's surroundings. */
const OF_PROGRAMS = ['env', 'env-file', 'workdir', 'rootfs'] as const

export interface KernelRequest {
  readonly source: Extract<Source, { kind: 'kernel' }>
  readonly program: string
  readonly argv: readonly string[]
}

/** Undefined when there is a program to run, on whichever kernel. */
export function kernelRequest(parsed: ParsedArguments, isolation: Isolation): KernelRequest | undefined {
  const { operands, options } = parsed
  const [kernel, initrd] = [text(parsed, 'kernel'), text(parsed, 'initrd')]
  if (initrd !== undefined && kernel === undefined) {
    throw new UsageError(`Cannot use ${initrd} as the initial RAM disk: our own kernel takes none.`, {
      hint: '--initrd goes with --kernel FILE.',
    })
  }
  if (operands.length > 0 || kernel === undefined) {
    // A microVM's kernel finds our agent beside it.
    if (initrd === undefined || isolation === 'microvm') return undefined
    throw new UsageError(
      `Cannot use ${initrd} as the initial RAM disk: the program's files are given to the kernel as one.`,
      {
        hint: 'With --initrd leave the program out; the kernel runs /init of its initial RAM disk.',
      },
    )
  }
  const pointless = OF_PROGRAMS.find((name) => options[name] !== undefined)
  if (pointless !== undefined) {
    throw new UsageError(`Cannot use --${pointless} with ${kernel} alone: there is no program that it would be for.`, {
      hint: 'Name a program, or say it to the kernel with --append.',
    })
  }
  const path = posix.resolve(kernel)
  return { source: { kind: 'kernel', path }, program: path, argv: [kernel] }
}

/** One line of the doctor: something looked at or measured on this host just now, and what to do if it is amiss. */

export type CheckStatus = 'pass' | 'warn' | 'fail'

export interface Finding {
  /** `fail`: an isolation level cannot run. `warn`: it runs, with a drawback. */
  readonly status: CheckStatus
  readonly detail: string
  /** What to do about it; every warn and fail has one. */
  readonly remedy?: string
  /** The measured values behind the words. */
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

export interface Check {
  readonly id: string
  readonly title: string
  run(): Finding | Promise<Finding>
}

export interface CheckedFinding extends Finding {
  readonly id: string
  readonly title: string
}

export const pass = (detail: string, facts?: Finding['facts']): Finding => ({
  status: 'pass',
  detail,
  ...(facts === undefined ? {} : { facts }),
})

export const warn = (detail: string, remedy: string, facts?: Finding['facts']): Finding => ({
  ...pass(detail, facts),
  status: 'warn',
  remedy,
})

export const fail = (detail: string, remedy: string, facts?: Finding['facts']): Finding => ({
  ...pass(detail, facts),
  status: 'fail',
  remedy,
})

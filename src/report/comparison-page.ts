/** `cloister compare --html`: the whole comparison on one page, for people in a room. */
import { nameOf } from '../compare/compared.ts'
import type { Comparison } from '../compare/comparison.ts'
import { costSection } from './cost-section.ts'
import { glance } from './glance.ts'
import { hostSection, kvmNotice } from './host-facts.ts'
import { type Html, html, type Piece } from './html.ts'
import { isolationSection } from './isolation-section.ts'
import { densitySection, memorySection } from './memory-section.ts'
import { neighboursSection } from './neighbours-section.ts'
import { renderPage, type Section } from './page.ts'
import { timeSection } from './time-section.ts'
import { figure, mib } from './units.ts'

export async function renderComparisonHtml(comparison: Comparison): Promise<string> {
  const { time, memory, density, cost, isolation, neighbours, host } = comparison
  const sections: (Section | undefined)[] = [
    time && timeSection(comparison, time),
    memory && memorySection(comparison, memory),
    density && densitySection(comparison, density),
    cost && costSection(comparison, cost),
    isolation && isolationSection(comparison, isolation),
    neighbours && neighboursSection(comparison, neighbours),
    hostSection(host),
  ]
  return renderPage({
    title: title(comparison),
    eyebrow: `cloister compare, version ${host.cloister}`,
    command: `cloister run ${comparison.command.join(' ')}`,
    meta: `${date(comparison.startedAt)}. ${mib(comparison.memoryBytes)} for each instance; the comparison took ${figure(comparison.tookMs / 1000)} seconds.`,
    lead: [kvmNotice(host), notices(comparison), glance(comparison)],
    sections: sections.filter((section) => section !== undefined),
    data: comparison,
  })
}

function title({ levels: compared }: Comparison): string {
  const levels = compared.map(nameOf)
  if (levels.length === 0) return 'A comparison in which no level ran'
  if (levels.length === 1) return `One program in a ${levels[0]}: what the wall costs and what it hides`
  return `One program, ${levels.slice(0, -1).join(', ')} and ${levels.at(-1)}: what each wall costs and what it hides`
}

/** `22 November 2026, 05:14 UTC` */
export const date = (iso: string) => {
  const moment = new Date(iso)
  if (Number.isNaN(moment.getTime())) return 'At an unknown time'
  const day = moment.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' })
  return `${day}, ${moment.toISOString().slice(11, 16)} UTC`
}

/** What went wrong stands in front. */
function notices({ unavailable, failed = [], time, levels }: Comparison): Piece {
  const unmeasured = failed.map(({ part, reason }) => notice(`The part “${part}” could not be measured: ${reason}`))
  const missing = unavailable.map(({ isolation, reason }) => notice(`${nameOf(isolation)} did not run: ${reason}`))
  const said = levels.flatMap((level) => {
    const errors = time?.levels[level]?.errors
    return errors
      ? [notice(`${nameOf(level)} ended with status ${time?.levels[level]?.exitCode} and said: ${errors}`)]
      : []
  })
  const differ =
    time && !time.sameOutcome
      ? notice(
          `The levels disagree: not every run printed the same bytes and ended with the same status. ${levels
            .map(
              (level) =>
                `${nameOf(level)}: ${time.levels[level]?.outputBytes} bytes, status ${time.levels[level]?.exitCode}.`,
            )
            .join(' ')}`,
        )
      : undefined
  return [missing, unmeasured, differ, said]
}

const notice = (text: string): Html => html`<div class="notice"><p>${text}</p></div>`

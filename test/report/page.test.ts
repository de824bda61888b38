import test from 'ava'
import { COMPARED } from '../../src/compare/compared.ts'
import { type Comparison, type PerLevel, SCHEMA } from '../../src/compare/comparison.ts'
import { renderBenchHtml } from '../../src/report/bench-page.ts'
import { renderComparisonHtml } from '../../src/report/comparison-page.ts'
import { hostile, recordedBench, recordedComparison } from '../helpers/report-fixtures.ts'

const tags = (markup: string) => [...markup.matchAll(/<([a-z][a-z0-9]*)/g)].map(([, name]) => name)
const dataOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]!)
/** Drawn once: it takes a while. */
const honestPage = renderComparisonHtml(recordedComparison())
const hostilePage = renderComparisonHtml(hostile(recordedComparison()))
const bootPage = renderBenchHtml(recordedBench('boot'))

/** What stands in the page as text or as an attribute of ours. */
const markupOf = (page: string) => page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, '')

test('the recorded comparison is of the schema of today, and has every part', (t) => {
  const comparison = recordedComparison()
  t.is(comparison.schema, SCHEMA)
  for (const part of comparison.parts) t.truthy(comparison[part], part)
  t.is(comparison.parts.length, 6)
})

test('a page carries the result unchanged', async (t) => {
  t.deepEqual(dataOf(await honestPage), recordedComparison())
  t.deepEqual(dataOf(await bootPage), recordedBench('boot'))
  t.deepEqual(dataOf(await hostilePage), hostile(recordedComparison()))
})

test('a page refers to nothing outside itself', async (t) => {
  for (const page of [await honestPage, await bootPage, await renderBenchHtml(recordedBench('density'))]) {
    const markup = markupOf(page)
    t.deepEqual(markup.match(/\ssrc=|url\((?!#)|@import|<link|<img|<iframe|\son[a-z]+=|\sstyle=/g), null)
    t.deepEqual([...new Set([...markup.matchAll(/href="([^"]*)"/g)].map(([, to]) => to![0]))], ['#'])
    t.true(page.includes(`http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-`))
    t.true(page.length < 700_000)
  }
})

test('texts of a hostile result make not one element more than honest ones', async (t) => {
  t.deepEqual(
    tags(markupOf(await hostilePage)).filter((tag) => tag !== 'path'),
    tags(markupOf(await honestPage)).filter((tag) => tag !== 'path'),
  )
  for (const name of ['boot', 'density'] as const) {
    const bench = recordedBench(name)
    const wanted = tags(markupOf(await renderBenchHtml(bench))).filter((tag) => !['path', 'text', 'g'].includes(tag!))
    const seen = tags(markupOf(await renderBenchHtml(hostile(bench)))).filter(
      (tag) => !['path', 'text', 'g'].includes(tag!),
    )
    t.deepEqual(seen, wanted)
  }
})

test('the kind of KVM stands in front, with a warning where it is not VMX or SVM', async (t) => {
  const { time: _t, memory: _m, density: _d, cost: _c, isolation: _i, neighbours: _n, ...bare } = recordedComparison()
  const withBackend = (kvmBackend: string | null) =>
    renderComparisonHtml({ ...bare, host: { ...bare.host, kvmBackend } })
  t.regex(await withBackend('kvm_pvm'), /<main[^>]*>\s*<div class="notice" id="kvm">.*not VMX or SVM/s)
  t.regex(
    await withBackend('kvm_amd'),
    /<main[^>]*>\s*<div class="notice plain" id="kvm"><p><strong>KVM backend: kvm_amd/,
  )
  t.notRegex(await withBackend('kvm_intel'), /not what they cost on/)
  t.regex(await withBackend(null), /No KVM on this host/)
})

test('what was not measured is not on the page, and is no error', async (t) => {
  const { time, memory: _m, density: _d, cost: _c, isolation: _i, neighbours: _n, ...nothing } = recordedComparison()
  const page = await renderComparisonHtml({
    ...nothing,
    parts: [],
    levels: [],
    unavailable: [{ isolation: 'unikernel', reason: 'open /dev/kvm gave <EACCES>' }],
    failed: [{ part: 'memory', reason: 'nothing came up' }],
  })
  t.regex(page, /The part “memory” could not be measured: nothing came up/)
  t.regex(page, /unikernel did not run: open \/dev\/kvm gave &lt;EACCES&gt;/)
  t.notRegex(page, /<figure/)

  const alone = await renderComparisonHtml({
    ...nothing,
    levels: ['unikernel'],
    time: { ...time!, levels: { unikernel: time!.levels.unikernel! } },
  })
  t.notRegex(markupOf(alone), /Pair by pair/)
  t.regex(markupOf(alone), /<th scope="col">unikernel<\/th><\/tr>/)
})

test('levels that disagree are the first thing said, with what each of them did', async (t) => {
  const { time, memory: _m, density: _d, cost: _c, isolation: _i, neighbours: _n, ...rest } = recordedComparison()
  const failed = { ...time!.levels.unikernel!, exitCode: 125, outputBytes: 0, errors: 'It died:\n  why' }
  const page = await renderComparisonHtml({
    ...rest,
    time: { ...time!, sameOutcome: false, levels: { ...time!.levels, unikernel: failed } },
  })
  t.regex(page, /The levels disagree: .* container: \d+ bytes, status 0\. unikernel: 0 bytes, status 125\./)
  t.regex(page, /unikernel ended with status 125 and said: It died:\n {2}why/)
})

/** As if the microVM had done whatever the unikernel did. */
function withMicrovm(): Comparison {
  const { time, memory, density, cost, isolation, neighbours, ...head } = recordedComparison()
  const both = <T>(levels: PerLevel<T>) => ({ ...inside(levels), 'microvm-cold': levels.unikernel! })
  const inside = <T>(levels: PerLevel<T>) => ({ ...levels, microvm: levels.unikernel! })
  const cold = { ...time!.levels.unikernel!, samples: time!.levels.unikernel!.samples.slice(0, 3) }
  return {
    ...head,
    levels: COMPARED,
    time: { ...time!, levels: { ...both(time!.levels), 'microvm-cold': cold } },
    memory: { ...memory!, levels: both(memory!.levels) },
    density: { ...density!, levels: inside(density!.levels) },
    cost: { workloads: cost!.workloads.map((row) => ({ ...row, levels: inside(row.levels) })) },
    isolation: {
      findings: isolation!.findings.map(({ expected, seen, ...row }) => ({
        ...row,
        expected: { ...expected, microvm: expected.unikernel },
        seen: inside(seen),
      })),
      systemCalls: inside(isolation!.systemCalls),
    },
    neighbours: { trials: neighbours!.trials.map((row) => ({ ...row, levels: inside(row.levels) })) },
  }
}

test('a microVM is on the page in both its ways of starting, and once where these are the same', async (t) => {
  const page = markupOf(await renderComparisonHtml(withMicrovm()))
  t.regex(page, /<h1[^>]*>One program, container, unikernel, microvm \(warm\) and microvm \(cold\)/)
  t.regex(page, /; 3 of microvm \(cold\), which takes long\. Every time/)
  t.true(page.includes('as microvm (warm), inside'))
  const section = (id: string) => page.split(`<section aria-labelledby="${id}">`)[1]!.split('</section>')[0]!
  t.true(section('memory').includes('microvm (cold)'))
  for (const id of ['density', 'cost', 'isolation', 'neighbours']) {
    t.true(section(id).includes('microvm (warm)'), id)
    t.false(section(id).includes('microvm (cold)'), id)
  }
  t.notRegex(page, /undefined|NaN|\[object/)
})

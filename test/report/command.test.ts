import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTest } from '../helpers/kvm.ts'

kvmTest('the page of a comparison carries the very result that --json prints in the same run', async (t) => {
  t.timeout(120_000)
  const file = join(temporaryDirectory(t), 'page.html')
  const what = ['--levels', 'unikernel', '--only', 'time', '--runs', '3', '--json', '--html', file]
  const { status, stdout, stderr } = await commandLine(t)([
    'compare',
    ...what,
    '/bin/busybox',
    '--',
    'echo',
    '</script>',
  ])
  t.is(status, 0, stderr)
  const page = readFileSync(file, 'utf8')
  const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1]
  t.deepEqual(JSON.parse(data!), JSON.parse(stdout))
  // Three runs, two plots of the whole way for one level: wide and narrow.
  const runs = /<figure id="runs".*?<\/figure>/s.exec(page)![0]
  t.is(runs.match(/class="dots"/g)?.length, 3 * 2 * 2)
  t.true(page.includes('cloister run /bin/busybox -- echo &lt;/script&gt;'))
})

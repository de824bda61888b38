import test from 'ava'
import { examineRootImages } from '../../src/doctor/root-images.ts'

test('the maker of root images is named where it was found', (t) => {
  const finding = examineRootImages(() => ({ path: '/usr/bin/mkfs.erofs', stamp: '1' }))
  t.like(finding, { status: 'pass', detail: '/usr/bin/mkfs.erofs', facts: { found: true } })
})

test('a host without it is told what to install; that is no failure: other levels run without', (t) => {
  const { status, remedy } = examineRootImages(() => undefined)
  t.is(status, 'warn')
  t.regex(remedy ?? '', /apt install erofs-utils$/)
})

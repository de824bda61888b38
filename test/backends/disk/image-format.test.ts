import test from 'ava'
import { foreignFormat } from '../../../src/backends/disk/image-format.ts'
import { diskFiles } from '../../helpers/disk-files.ts'

test('images with a format of their own are told by their first bytes, and everything else is raw', (t) => {
  const { image } = diskFiles(t)
  const starting = (text: string) => image('image', Buffer.from(text.padEnd(512, '\0'), 'latin1'))
  t.is(foreignFormat(starting('QFI\xfb\0\0\0\x03')), 'qcow2')
  t.is(foreignFormat(starting('KDMV\x01')), 'vmdk')
  t.is(foreignFormat(starting('# Disk DescriptorFile\nversion=1\n')), 'vmdk')
  t.is(foreignFormat(starting('<<< Oracle VM VirtualBox Disk Image >>>\n')), 'vdi')
  t.is(foreignFormat(starting('vhdxfile')), 'vhdx')
  t.is(foreignFormat(starting('conectix')), 'vhd')
  t.is(foreignFormat(starting('')), undefined)
  t.is(foreignFormat(starting('QFI')), undefined)
  t.is(foreignFormat('/nowhere/at/all'), undefined)
})

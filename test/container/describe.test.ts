import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, startContainer } from '../helpers/containers.ts'

containerTest('a running container says what stands between it and the host, as the kernel sees it', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1000'], { cpus: 0.5, memoryBytes: 32 * 2 ** 20 }))
  const { security } = instance.describe()
  const line = (topic: string) => security.find((one) => one.topic === topic)
  t.like(line('kernel'), { state: 'off' })
  t.like(line('boundary'), { state: 'partial' })
  t.regex(line('boundary')?.detail ?? '', /mnt, pid, net, ipc, uts, cgroup; no user namespace/)
  t.like(line('privileges'), { state: 'on', detail: '10 capabilities; no program gives it more' })
  t.is(line('system calls')?.state, 'on')
  t.is(line('files')?.state, 'on')
  t.like(line('processes'), { state: 'on', detail: 'it sees its own only; at most 512' })
  t.like(line('network'), { state: 'on', detail: 'its own: lo' })
  t.like(line('memory'), { state: 'on', detail: 'at most 32 MiB, enforced by its control group' })
  t.like(line('processor'), { state: 'on', detail: 'at most 0.5 of them, enforced by its control group' })
})

containerTest('its details name the runtime, the control groups and the limits, as plain JSON', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1000']))
  const { details } = instance.describe()
  t.deepEqual(JSON.parse(JSON.stringify(details)), details)
  const { runtime, controlGroups } = details as Record<
    string,
    { name?: string; version?: string; directories?: string[] }
  >
  t.regex(`${runtime?.name} ${runtime?.version}`, /^(runc|crun) \d+\.\d+/)
  t.true((controlGroups?.directories?.length ?? 0) > 0)
})

containerTest('of one that has ended nothing is claimed to stand', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['true']))
  await instance.wait()
  t.deepEqual(instance.describe().security, [])
})

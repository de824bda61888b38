import test from 'ava'
import { Turns } from '../../src/virtio/turns.ts'

/** Queues that always run out of their budget; the log tells who was served. */
function busyQueues(onServe: (turns: Turns, index: number) => void = () => {}) {
  const served: number[] = []
  const deferred: (() => void)[] = []
  const turns: Turns = new Turns({
    serve(index) {
      served.push(index)
      onServe(turns, index)
      return true
    },
    done: () => {},
    defer: (task) => deferred.push(task),
  })
  const ask = (index: number) => {
    turns.add(index)
    turns.run()
  }
  const nextTurn = () => {
    for (const task of deferred.splice(0)) task()
  }
  return { turns, served, ask, nextTurn }
}

test('a queue that ran out of its budget comes again in a later turn, however often it is asked for', (t) => {
  const { served, ask, nextTurn } = busyQueues()
  for (let kick = 0; kick < 10; kick++) ask(0)
  t.deepEqual(served, [0])
  ask(1)
  t.deepEqual(served, [0, 1])
  nextTurn()
  t.deepEqual(served, [0, 1, 0, 1])
})

test('queues that ran out of their budgets and wake each other get one turn each before others have theirs', (t) => {
  const { served, ask, nextTurn } = busyQueues((turns, index) => turns.add(1 - index))
  ask(0)
  t.deepEqual(served, [0, 1])
  nextTurn()
  t.deepEqual(served, [0, 1, 0, 1])
})

test('what is dropped does not come again, and what is asked for afterwards does', (t) => {
  const { turns, served, ask, nextTurn } = busyQueues()
  ask(0)
  turns.clear()
  nextTurn()
  t.deepEqual(served, [0])
  ask(0)
  t.deepEqual(served, [0, 0])
})

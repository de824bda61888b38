#!/usr/bin/env node
/**
 * Changes a kernel tree by anchors: a few words of a file that must be there exactly once. What goes in before, after or
 * instead of them is ours; of Linux nothing is kept here but the anchors. An anchor that is not found, or found more than
 * once, ends the build by its name: the next Debian release is then looked at by a person instead of guessed at.
 *
 *   edit.js TREE EDITS.js...     each EDITS.js exports by default: [{ why, file, anchor, before | after | instead }, ...]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export class EditError extends Error {}

/** @returns the text with one edit made */
export function edited(text, edit) {
  const { file, anchor } = edit
  const count = text.split(anchor).length - 1
  if (count !== 1) {
    const found = count === 0 ? 'is not in it' : `is in it ${count} times instead of once`
    throw new EditError(`${file}: the anchor ${JSON.stringify(anchor)} ${found}`)
  }
  const [head, tail] = text.split(anchor)
  return head + (edit.before ?? '') + (edit.instead ?? anchor) + (edit.after ?? '') + tail
}

function check(edit, group) {
  const { why, file, anchor, ...changes } = edit
  const kinds = Object.keys(changes)
  const known = kinds.length === 1 && ['before', 'after', 'instead'].includes(kinds[0])
  if (!why || !file || !anchor || !known) {
    throw new EditError(
      `${group}: an edit has why, file, anchor, and one of before, after, instead; this one has ${Object.keys(edit)}`,
    )
  }
}

/** Makes the edits of a group, in their order; nothing is written when one of them cannot be made. */
export function applyEdits(tree, edits, group) {
  const texts = new Map()
  for (const edit of edits) {
    check(edit, group)
    const { file } = edit
    if (!texts.has(file)) texts.set(file, read(tree, file, group))
    try {
      texts.set(file, edited(texts.get(file), edit))
    } catch (error) {
      throw new EditError(`${group}: ${error.message}\n  it was for: ${edit.why}`)
    }
  }
  for (const [file, text] of texts) writeFileSync(join(tree, file), text)
}

function read(tree, file, group) {
  try {
    return readFileSync(join(tree, file), 'utf8')
  } catch (error) {
    throw new EditError(`${group}: ${file}: ${error.code}`)
  }
}

async function main([tree, ...groups]) {
  for (const path of groups) {
    const { default: edits } = await import(pathToFileURL(resolve(path)).href)
    applyEdits(tree, edits, basename(path).replace(/\.m?js$/, ''))
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`linux: ${error instanceof EditError ? error.message : error.stack}\n`)
    process.exitCode = 1
  })
}

/** The only script of a page: it hands out the raw data. Without it every plot and every table is there all the same. */
export const SCRIPT = `
const raw = document.getElementById('data').textContent
const pretty = () => JSON.stringify(JSON.parse(raw), undefined, 2)
const say = (text) => { document.getElementById('data-status').textContent = text }
const shown = document.getElementById('data-shown')
document.getElementById('data-actions').hidden = false
document.getElementById('data-download').addEventListener('click', ({ currentTarget }) => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([pretty()], { type: 'application/json' }))
  link.download = currentTarget.dataset.name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  say('Saved as ' + link.download + '.')
})
document.getElementById('data-copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(pretty())
    say('Copied.')
  } catch {
    shown.closest('details').open = true
    getSelection().selectAllChildren(shown)
    say('This browser does not let a page copy: the data is selected, press Ctrl+C.')
  }
})
shown.closest('details').addEventListener('toggle', () => {
  if (shown.textContent === '') shown.textContent = pretty()
})
`

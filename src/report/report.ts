/**
 * All pages, as they are bundled: dist/report.cjs, with the chart library, which is read for `--html` alone. The bundler
 * (scripts/bundle.js) leads every import of a page there.
 */
export { renderBenchHtml } from './bench-page.ts'
export { renderComparisonHtml } from './comparison-page.ts'

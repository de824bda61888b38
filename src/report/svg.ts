/**
 * Charts as SVG text, drawn by ECharts without a browser: the page needs no script to show them. Colours are CSS
 * variables, so that one picture serves light and dark. The only file that imports the chart library.
 */
import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts'
import { GridComponent, MarkAreaComponent, MarkLineComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { Html } from './html.ts'

use([BarChart, CustomChart, LineChart, ScatterChart, GridComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer])

export interface Size {
  readonly width: number
  readonly height: number
}

/** The name of a series becomes the class of its marks. */
export type Series = { readonly name: string; readonly type: string; readonly [option: string]: unknown }

export function drawSvg({ series, ...option }: EChartsCoreOption & { series: readonly Series[] }, size: Size): Html {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size })
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: 'inherit' }, ...option, series })
    return new Html(asPlainSvg(chart.renderToSVGString(), series))
  } finally {
    chart.dispose()
  }
}

/** Without what belongs to an interactive chart: styles of hovering, the size in pixels. */
const asPlainSvg = (svg: string, series: readonly Series[]) =>
  svg
    .replace(/<style ?>.*?<\/style>/s, '')
    .replace(
      / (?:class="zr[^"]*"|pointer-events="[a-z]*"|ecmeta_(?:ssr_type|data_index|silent)="[^"]*"|xml:space="preserve")/g,
      '',
    )
    .replace(/ ecmeta_series_index="(\d+)"/g, (_, index) => ` class="${series[Number(index)]!.name}"`)
    .replace(/^<svg width="\d+" height="\d+"/, '<svg aria-hidden="true"')
    .replace(/<rect width="\d+" height="\d+" x="0" y="0" fill="none"><\/rect>/, '')
    .replace(/ style="([^"]*)"/g, (_, declarations: string) => asAttributes(declarations))
    .replace(/ (?:transform|d|x|y|font-size)="[^"]*"/g, (attribute) => attribute.replace(/(\.\d)\d+/g, '$1'))
    .replaceAll('></path>', '/>')
    .replaceAll('\n', '')

/** The page's policy allows no style attribute. */
const asAttributes = (declarations: string) =>
  declarations
    .split(';')
    .map((declaration) => declaration.split(':'))
    .filter(([property, value]) => value !== undefined && property !== 'font-family')
    .map(([property, value]) => ` ${property}="${value}"`)
    .join('')

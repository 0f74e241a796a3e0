// Prometheus' text format, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//
//   # HELP stele_nodes Registered datanodes by state      (backslash, line feed escaped)
//   # TYPE stele_nodes gauge
//   stele_nodes{state="serving"} 3                        (backslash, line feed, quote escaped)

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type MetricType = 'counter' | 'gauge' | 'histogram';

type Labels = Readonly<Record<string, string>>;

/** One series of a metric: its labels and its value. */
export type Series = readonly [labels: Labels, value: number];

/** The counts of a histogram of durations. */
interface TimeCounts {
  readonly total: number;
  readonly sumMs: number;
  /** Number of samples up to `boundMs`. */
  countUpTo(boundMs: number): number;
}

/** A histogram for one set of label values. */
export type TimeSeries = readonly [labels: Labels, counts: TimeCounts];

/** The two lines before the series of a metric. */
export function headText(name: string, type: MetricType, help: string): string {
  const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `# HELP ${name} ${text}\n# TYPE ${name} ${type}\n`;
}

/** The lines of a counter or a gauge. */
export function seriesText(name: string, series: Iterable<Series>): string {
  let text = '';
  for (const [labels, value] of series) text += line(name, labelText(labels), value);
  return text;
}

/** The lines of a histogram in seconds. `boundsMs` are its bucket bounds, ascending. */
export function histogramText(
  name: string,
  boundsMs: readonly number[],
  series: Iterable<TimeSeries>,
): string {
  let text = '';
  for (const [labels, counts] of series) {
    const own = labelText(labels);
    const before = own === '' ? '' : `${own},`;
    for (const boundMs of boundsMs) {
      text += line(`${name}_bucket`, `${before}le="${boundMs / 1000}"`, counts.countUpTo(boundMs));
    }
    text += line(`${name}_bucket`, `${before}le="+Inf"`, counts.total);
    text += line(`${name}_sum`, own, counts.sumMs / 1000);
    text += line(`${name}_count`, own, counts.total);
  }
  return text;
}

function line(name: string, labels: string, value: number): string {
  const number = Math.abs(value) === Infinity ? (value > 0 ? '+Inf' : '-Inf') : String(value);
  return labels === '' ? `${name} ${number}\n` : `${name}{${labels}} ${number}\n`;
}

function labelText(labels: Labels): string {
  let text = '';
  for (const label in labels) {
    text += `${text === '' ? '' : ','}${label}="${escaped(labels[label] ?? '')}"`;
  }
  return text;
}

function escaped(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

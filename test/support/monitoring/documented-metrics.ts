// The tables of docs/metrics.md.

import { readDoc, section, tableRows } from '../../docs/markdown.ts';

export interface DocumentedMetric {
  readonly type: string;
  /** Sorted. */
  readonly labels: readonly string[];
}

const FRONTS = 'Masters and query nodes';
const SECTIONS = {
  master: ['Every process', FRONTS],
  query: ['Every process', FRONTS],
  datanode: ['Every process', 'Datanodes'],
} as const;

export type MetricsRole = keyof typeof SECTIONS;

/** The metrics of a role by name; of all roles without one. */
export function documentedMetrics(role?: MetricsRole): Map<string, DocumentedMetric> {
  const page = readDoc('docs/metrics.md');
  const titles = role === undefined ? new Set(Object.values(SECTIONS).flat()) : SECTIONS[role];
  const rows = [...titles].flatMap((title) => tableRows(section(page, title)));
  const metrics = rows.filter(([name = '']) => /^(?:stele|process|nodejs)_/.test(name));
  return new Map(
    metrics.map(([name = '', type = '', labels = '']) => [
      name,
      { type, labels: labels === '' ? [] : labels.split(', ').sort() },
    ]),
  );
}

/**
 * The names of metrics in a text or a query, those of histograms without `_bucket` and the like.
 */
export function metricsIn(text: string): string[] {
  const known = documentedMetrics();
  const names = [...text.matchAll(/(?<![\w#-])(?:stele|process|nodejs)_\w+(?![\w-]*[./])/g)].map(
    ([name]) => name,
  );
  return names.map((name) => {
    const base = name.replace(/_(?:bucket|sum|count)$/, '');
    return known.get(base)?.type === 'histogram' ? base : name;
  });
}

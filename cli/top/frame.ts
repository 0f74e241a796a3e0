// What `stele top` shows of a report: a line on the process asked, a table of datanodes, a table of
// keyspaces.

import { formatBytes } from '../../base/units.ts';
import type { Output } from '../output.ts';
import { formatCount, formatTable } from '../text-table.ts';
import type { Column } from '../text-table.ts';
import type { KeyspaceRates, NodeRates, Rates, TopReport } from './rates.ts';

/** The orders of the tables; `s` goes from one to the next. */
export const SORTS = ['name', 'reads', 'p99', 'memory'] as const;
export type Sort = (typeof SORTS)[number];

export function formatReport(report: TopReport, sort: Sort, paint: Output['paint']): string {
  const { front, keyspaces, nodes } = report;
  const total = nodes.reduce((sum, { readsPerSecond = 0 }) => sum + readsPerSecond, 0);
  return [
    `datanodes  ${formatCount(Math.round(total))} keys/s`,
    `master     ${rate(front.readsPerSecond)} reads/s, ${rate(front.cacheHitsPerSecond)} keys/s from its cache, 50% within ${latency(front.p50Ms)}, 99% within ${latency(front.p99Ms)}`,
    '',
    formatTable(
      NODE_COLUMNS,
      sorted(nodes, sort).map((node) => nodeCells(node, paint)),
    ),
    '',
    keyspaces.length === 0
      ? 'No keyspace has been read.'
      : formatTable(KEYSPACE_COLUMNS, sorted(keyspaces, sort).map(keyspaceCells)),
  ].join('\n');
}

function right(...titles: string[]): Column[] {
  return titles.map((title) => ({ title, align: 'right' }));
}

const NODE_COLUMNS: readonly Column[] = [
  { title: 'NODE' },
  { title: 'STATE' },
  ...right('KEYS/S', 'FOUND', 'FAILED/S', 'OUT/S', 'P50', 'P99', 'RESIDENT', 'SEGMENTS', 'LIMIT'),
];

const KEYSPACE_COLUMNS: readonly Column[] = [
  { title: 'KEYSPACE' },
  ...right('KEYS/S', 'FOUND', 'OUT/S', 'CACHED/S', 'DISK CACHE'),
];

function nodeCells(node: NodeRates, paint: Output['paint']): string[] {
  return [
    node.name,
    node.state === 'serving' ? paint('green', node.state) : paint('yellow', node.state),
    rate(node.readsPerSecond),
    share(node.hitRatio),
    rate(node.failuresPerSecond),
    bytes(node.valueBytesPerSecond),
    latency(node.p50Ms),
    latency(node.p99Ms),
    formatBytes(node.residentBytes),
    formatBytes(node.segmentBytes),
    node.memoryLimitBytes === 0 ? '-' : formatBytes(node.memoryLimitBytes),
  ];
}

function keyspaceCells(keyspace: KeyspaceRates): string[] {
  return [
    keyspace.name,
    rate(keyspace.readsPerSecond),
    share(keyspace.hitRatio),
    bytes(keyspace.valueBytesPerSecond),
    rate(keyspace.cacheHitsPerSecond),
    share(keyspace.diskCacheRatio),
  ];
}

/** By name, or the largest first. */
function sorted<Row extends Rates & { readonly name: string; readonly residentBytes?: number }>(
  rows: readonly Row[],
  sort: Sort,
): Row[] {
  const size = (row: Row): number => {
    if (sort === 'reads') return row.readsPerSecond ?? 0;
    if (sort === 'p99') return row.p99Ms ?? 0;
    return sort === 'memory' ? (row.residentBytes ?? 0) : 0;
  };
  const byName = (a: Row, b: Row): number => a.name.localeCompare(b.name, 'en', { numeric: true });
  return rows.toSorted((a, b) => size(b) - size(a) || byName(a, b));
}

function rate(value: number | undefined): string {
  return value === undefined ? '-' : formatCount(Math.round(value));
}

function share(value: number | undefined): string {
  return value === undefined ? '-' : `${(value * 100).toFixed(1)}%`;
}

function bytes(value: number | undefined): string {
  return value === undefined ? '-' : formatBytes(Math.round(value));
}

function latency(valueMs: number | undefined): string {
  if (valueMs === undefined) return '-';
  return valueMs < 10 ? `${valueMs.toFixed(2)} ms` : `${Math.round(valueMs)} ms`;
}

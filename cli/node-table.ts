// Datanodes as `stele nodes` and `stele status` show them.

import { formatBytes, formatDuration } from '../base/units.ts';
import type { NodeSummary } from '../proto/gen/stele/v1/cluster.ts';
import type { Output } from './output.ts';
import { formatCount, formatTable } from './table.ts';
import { hostPort, nodeStateWord } from './words.ts';

const COLUMNS = [
  { title: 'NODE' },
  { title: 'STATE' },
  { title: 'ZONE' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'RESP' },
  { title: 'REPLICAS', align: 'right' },
  { title: 'SEGMENTS', align: 'right' },
  { title: 'RESIDENT', align: 'right' },
  { title: 'DISK FREE', align: 'right' },
  { title: 'LOOKUPS', align: 'right' },
] as const;

/** One object a node, as JSON has it. */
export function describeNode(summary: NodeSummary) {
  const { node, ...rest } = summary;
  return {
    id: node?.id ?? '',
    incarnation: node?.incarnation ?? '',
    state: nodeStateWord(node?.state ?? 0),
    zone: node?.zone ?? '',
    address: node?.address,
    ...rest,
  };
}

/** The table of `stele nodes`. */
export function formatNodes(output: Output, nodes: readonly NodeSummary[]): string {
  return formatTable(
    COLUMNS,
    nodes.map((summary) => toCells(output, summary)),
  );
}

function toCells(output: Output, summary: NodeSummary): string[] {
  const row = describeNode(summary);
  return [
    row.id,
    stateCell(output, row),
    row.zone === '' ? '-' : row.zone,
    String(row.weight),
    row.address === undefined ? '-' : hostPort(row.address.host, row.address.respPort),
    String(row.replicas),
    formatBytes(row.segmentBytes),
    formatBytes(row.residentBytes),
    formatBytes(row.diskFreeBytes),
    formatCount(row.lookupsTotal),
  ];
}

function stateCell(output: Output, row: ReturnType<typeof describeNode>): string {
  switch (row.state) {
    case 'initializing':
      return output.paint('yellow', `initializing ${Math.floor(row.progress * 100)}%`);
    case 'serving':
      if (row.trouble !== '') return output.paint('yellow', `serving (${row.trouble})`);
      return output.paint('green', row.state);
    case 'down':
    case 'suspect':
      if (row.trouble !== '') return output.paint('red', `${row.state} (${row.trouble})`);
      return output.paint('red', `${row.state} for ${formatDuration(row.silentMs)}`);
    case 'draining':
      return row.drainLeft > 0 ? `draining, ${formatCount(row.drainLeft)} copies left` : row.state;
    case 'drained':
      return row.silentMs > 0 ? `drained, silent for ${formatDuration(row.silentMs)}` : row.state;
    default:
      return row.state;
  }
}

// The table of datanodes in `stele nodes` and `stele status`.

import { formatBytes, formatDuration } from '../base/units.ts';
import type { NodeSummary } from '../proto/gen/stele/v1/cluster.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { Output } from './output.ts';
import { formatCount, formatTable } from './text-table.ts';
import { nodeStateWord } from '../proto/view-words.ts';
import { hostAndPort } from '../base/address.ts';

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

/** The table of `stele nodes`. */
export function formatNodes(output: Output, nodes: readonly NodeSummary[]): string {
  return formatTable(
    COLUMNS,
    nodes.map((summary) => toCells(output, summary)),
  );
}

function toCells(output: Output, summary: NodeSummary): string[] {
  const { address, id = '', zone = '' } = summary.node ?? {};
  return [
    id,
    stateCell(output, summary),
    zone === '' ? '-' : zone,
    String(summary.weight),
    address === undefined ? '-' : hostAndPort(address.host, address.respPort),
    String(summary.replicas),
    formatBytes(summary.segmentBytes),
    formatBytes(summary.residentBytes),
    formatBytes(summary.diskFreeBytes),
    formatCount(summary.lookupsTotal),
  ];
}

function stateCell(output: Output, summary: NodeSummary): string {
  const state = nodeStateWord(summary.node?.state ?? NodeState.UNSPECIFIED).toLowerCase();
  const { drainLeft, progress, silentMs, trouble } = summary;
  switch (state) {
    case 'initializing':
      return output.paint('yellow', `initializing ${Math.floor(progress * 100)}%`);
    case 'serving':
      if (trouble !== '') return output.paint('yellow', `serving (${trouble})`);
      return output.paint('green', state);
    case 'down':
    case 'suspect':
      if (trouble !== '') return output.paint('red', `${state} (${trouble})`);
      return output.paint('red', `${state} for ${formatDuration(silentMs)}`);
    case 'draining':
      return drainLeft > 0 ? `draining, ${formatCount(drainLeft)} copies left` : state;
    case 'drained':
      return silentMs > 0 ? `drained, silent for ${formatDuration(silentMs)}` : state;
    default:
      return state;
  }
}

// The table of datanodes in `stele nodes` and `stele status`.

import { formatBytes, formatDuration } from '../base/units.ts';
import type { ListNodesResponse, NodeSummary } from '../proto/gen/stele/v1/cluster.ts';
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

/** The table of `stele nodes`. Without a leader, only what the last view has. */
export function formatNodes(
  output: Output,
  { nodes, noLeader }: Pick<ListNodesResponse, 'nodes' | 'noLeader'>,
): string {
  return formatTable(
    COLUMNS,
    nodes.map((summary) => toCells(output, summary, noLeader !== undefined)),
  );
}

function toCells(output: Output, summary: NodeSummary, isLastView: boolean): string[] {
  const ofLeader = (cell: string): string => (isLastView ? '-' : cell);
  const { address, id = '', zone = '' } = summary.node ?? {};
  return [
    id,
    isLastView ? stateWord(summary) : stateCell(output, summary),
    zone === '' ? '-' : zone,
    ofLeader(String(summary.weight)),
    address === undefined ? '-' : hostAndPort(address.host, address.respPort),
    ofLeader(String(summary.replicas)),
    ofLeader(formatBytes(summary.segmentBytes)),
    ofLeader(formatBytes(summary.residentBytes)),
    ofLeader(formatBytes(summary.diskFreeBytes)),
    ofLeader(formatCount(summary.lookupsTotal)),
  ];
}

function stateWord({ node }: NodeSummary): string {
  return nodeStateWord(node?.state ?? NodeState.UNSPECIFIED).toLowerCase();
}

function stateCell(output: Output, summary: NodeSummary): string {
  const state = stateWord(summary);
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

// The listing of datanodes in `stele nodes`; `stele status` shows its table.

import { formatBytes, formatDuration } from '../../base/units.ts';
import type { ListNodesResponse, NodeSummary } from '../../proto/gen/stele/v1/cluster.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { nodesJson } from '../../proto/json-shapes.ts';
import { nodeStateWord } from '../../proto/view-words.ts';
import { hostAndPort } from '../../base/address.ts';
import type { Listing, ListingColumn, SeenBy } from './listing.ts';
import { formatCount } from '../text-table.ts';
import { releaseText, warmingText } from '../words.ts';

export const NODES: Listing<Pick<ListNodesResponse, 'nodes' | 'noLeader'>, NodeSummary> = {
  columns: [
    { title: 'NODE', cell: ({ node }) => node?.id ?? '' },
    { title: 'STATE', cell: nodeStateText },
    { title: 'ZONE', cell: ({ node }) => node?.zone || '-' },
    number('WEIGHT', ({ weight }) => String(weight)),
    { title: 'RESP', cell: addressCell((address) => address.respPort) },
    { title: 'HTTP', wide: true, cell: addressCell((address) => address.httpPort) },
    { title: 'GRPC', wide: true, cell: addressCell((address) => address.grpcPort) },
    number('REPLICAS', ({ replicas }) => String(replicas)),
    number('SEGMENTS', ({ segmentBytes }) => formatBytes(segmentBytes)),
    { ...number('DISK TIER', ({ diskTierBytes }) => formatBytes(diskTierBytes)), wide: true },
    { ...number('INDEXES', ({ indexBytes }) => formatBytes(indexBytes)), wide: true },
    { ...number('CACHE', ({ cacheBytes }) => formatBytes(cacheBytes)), wide: true },
    { ...number('OTHER', (node) => formatBytes(otherBytes(node))), wide: true },
    number('RESIDENT', ({ residentBytes }) => formatBytes(residentBytes)),
    { ...number('LIMIT', ({ memoryLimitBytes }) => formatBytes(memoryLimitBytes)), wide: true },
    number('DISK FREE', ({ diskFreeBytes }) => formatBytes(diskFreeBytes)),
    number('LOOKUPS', ({ lookupsTotal }) => formatCount(lookupsTotal)),
    { ...number('VIEW LAG', ({ viewLag }) => String(viewLag)), wide: true },
    { ...number('VIRTUAL NODES', ({ virtualNodes }) => String(virtualNodes)), wide: true },
    { title: 'RELEASE', wide: true, ofLeader: true, cell: releaseText },
    { title: 'INCARNATION', wide: true, cell: ({ node }) => node?.incarnation ?? '' },
  ],
  rows: ({ nodes }) => nodes,
  name: ({ node }) => node?.id ?? '',
  json: nodesJson,
  empty: 'No datanode has joined yet.',
};

/** A column of numbers that only a leader knows. */
function number(title: string, cell: (row: NodeSummary) => string): ListingColumn<NodeSummary> {
  return { title, align: 'right', ofLeader: true, cell };
}

function addressCell(port: (address: NodeAddress) => number): (row: NodeSummary) => string {
  return ({ node }) =>
    node?.address === undefined ? '-' : hostAndPort(node.address.host, port(node.address));
}

/** Memory that is accounted for, apart from segments, indexes and the cache. */
export function otherBytes({ accountedBytes, cacheBytes, segmentBytes }: NodeSummary): number {
  return Math.max(0, accountedBytes - cacheBytes - segmentBytes);
}

/** The state in words and in its colour, with what is wrong or left to do. */
export function nodeStateText(summary: NodeSummary, { isLastView, paint }: SeenBy): string {
  const state = nodeStateWord(summary.node?.state ?? NodeState.UNSPECIFIED).toLowerCase();
  if (isLastView) return state;
  const { drainLeft, progress, silentMs, trouble } = summary;
  switch (state) {
    case 'initializing':
      return paint('yellow', `initializing ${Math.floor(progress * 100)}%`);
    case 'serving':
      if (trouble !== '') return paint('yellow', `serving (${trouble})`);
      return paint('green', `${state}${warmingText(summary)}`);
    case 'down':
    case 'suspect':
      if (trouble !== '') return paint('red', `${state} (${trouble})`);
      return paint('red', `${state} for ${formatDuration(silentMs)}`);
    case 'draining':
      return drainLeft > 0 ? `draining, ${formatCount(drainLeft)} copies left` : state;
    case 'drained':
      return silentMs > 0 ? `drained, silent for ${formatDuration(silentMs)}` : state;
    default:
      return state;
  }
}

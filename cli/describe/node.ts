// Everything that is known of one datanode: its addresses, state, memory and disk, its shards,
// reads and events.

import { hostAndPort } from '../../base/address.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { latencyQuantileMs } from '../../base/process/latency.ts';
import { formatBytes } from '../../base/units.ts';
import type { NodeCounters, NodeSummary } from '../../proto/gen/stele/v1/cluster.ts';
import type { Warming } from '../../proto/gen/stele/v1/view.ts';
import { nodesJson, readsJson } from '../../proto/json-shapes.ts';
import { nodeStateText, otherBytes } from '../listings/nodes.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../text-table.ts';
import type { Admin } from '../with-admin.ts';
import { releaseText } from '../words.ts';
import type { Description, Field } from './description.ts';
import { eventsJson, eventsPart, lastEvents } from './events.ts';

/** Throws NODE_NOT_FOUND. */
export async function describeNode(admin: Admin, id: string, output: Output): Promise<Description> {
  const { nodes, noLeader } = await admin.listNodes();
  const summary = nodes.find(({ node }) => node?.id === id);
  if (summary === undefined) {
    throw new SteleError('NODE_NOT_FOUND', `There is no datanode '${shorten(id)}'.`);
  }
  const [{ shards }, counters, events] = await Promise.all([
    admin.listShards(),
    admin.readCounters(),
    lastEvents(admin, '', ({ node }) => node === id),
  ]);
  const numbers = (of: (shard: (typeof shards)[number]) => boolean): number[] =>
    shards.filter(of).map(({ shard }) => shard);
  const placed = {
    first_owner: numbers(({ owners }) => owners[0] === id),
    owner: numbers(({ owners }) => owners.includes(id)),
    holder: numbers(({ holders }) => holders.includes(id)),
  };
  const reads = counters.nodes.find(({ nodeId }) => nodeId === id);
  return {
    fields: [
      ...fieldsOf(summary, output, noLeader !== undefined),
      ['First owner of', shardsText(placed.first_owner)],
      ['Owner of', shardsText(placed.owner)],
      ['Holds', shardsText(placed.holder)],
      ...readFields(reads),
    ],
    parts: [await eventsPart(events, output)],
    json: {
      ...nodesJson({ nodes: [summary], noLeader })[0],
      shards: placed,
      reads: reads?.counters === undefined ? null : readsJson(reads.counters),
      events: eventsJson(events),
    },
  };
}

function fieldsOf(summary: NodeSummary, { paint }: Output, isLastView: boolean): Field[] {
  const { node, warming } = summary;
  const { host = '', grpcPort = 0, httpPort = 0, respPort = 0 } = node?.address ?? {};
  const limit = summary.memoryLimitBytes;
  return [
    ['Name', node?.id ?? ''],
    ['State', nodeStateText(summary, { paint, isLastView })],
    ['Zone', node?.zone ?? ''],
    ['HTTP', hostAndPort(host, httpPort)],
    ['RESP', hostAndPort(host, respPort)],
    ['gRPC', hostAndPort(host, grpcPort)],
    ['Incarnation', node?.incarnation ?? ''],
    ['Release', releaseText(summary)],
    ['Weight', `${summary.weight}, ${formatCount(summary.virtualNodes)} virtual nodes`],
    ['Replicas', formatCount(summary.replicas)],
    ['Segments in memory', memoryText(summary)],
    ['Segments on disk', `${formatBytes(summary.diskTierBytes)}, of which records are read`],
    ...(warming === undefined ? [] : [['Warming', warmingProgress(warming)] satisfies Field]),
    [
      'Resident memory',
      `${formatBytes(summary.residentBytes)}${limit === 0 ? '' : ` of ${formatBytes(limit)}`}, ${formatBytes(summary.accountedBytes)} accounted for`,
    ],
    ['Disk free', formatBytes(summary.diskFreeBytes)],
    ['View lag', String(summary.viewLag)],
  ];
}

function memoryText(summary: NodeSummary): string {
  const { cacheBytes, indexBytes, segmentBytes } = summary;
  const parts = [
    formatBytes(segmentBytes - indexBytes),
    `${formatBytes(indexBytes)} of indexes of those on disk`,
    `${formatBytes(cacheBytes)} of cached records`,
    `${formatBytes(otherBytes(summary))} of other memory`,
  ];
  return parts.join(', ');
}

function warmingProgress({ bytesDone, bytesTotal, segmentsDone, segmentsTotal }: Warming): string {
  return `${formatCount(segmentsDone)} of ${formatCount(segmentsTotal)} segments (${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}) are in memory again`;
}

/** `0-3, 7 (5 shards)`. */
function shardsText(shards: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const shard of shards) {
    const run = runs.at(-1);
    if (run?.[1] === shard - 1) run[1] = shard;
    else runs.push([shard, shard]);
  }
  const text = runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  return shards.length === 0 ? 'no shard' : `${text.join(', ')} (${shards.length})`;
}

function readFields(reads: NodeCounters | undefined): Field[] {
  const { counters, trouble = '' } = reads ?? {};
  if (counters === undefined) return [['Reads', trouble]];
  const { failed, found, latency, notFound } = counters;
  const quantile = (share: number): string => `${latencyQuantileMs(latency, share).toFixed(2)} ms`;
  return [
    [
      'Reads',
      `${formatCount(found)} keys found, ${formatCount(notFound)} not found, ${formatCount(failed)} failed`,
    ],
    ['Latency', `50% within ${quantile(0.5)}, 99% within ${quantile(0.99)}`],
  ];
}

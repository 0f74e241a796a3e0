// `stele ring`: how evenly the ring spreads the shards. Mean 1.00 is a node's fair share.

import { option, settingsOf } from '../../../base/config.ts';
import type { ShardSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { listingOptions } from '../../client-settings.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { requireLeader } from '../../no-leader.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { Admin } from '../../with-admin.ts';

const BAR_CHARACTERS = 20;

export const definition = defineVerb({
  name: 'ring',
  operands: '',
  schema: settingsOf({
    ...listingOptions,
    draw: option.flag('draw which datanode is the first owner of each shard, around the ring'),
  }),
  examples: ['stele ring', 'stele ring --draw', 'stele ring -o json'],
  run: ({ settings: { values }, output }) =>
    withAdmin(values, (admin) =>
      showListing(ringOf(values.draw), output, values, () => askSpread(admin)),
    ),
});

interface Spread {
  readonly nodes: readonly Row[];
  readonly shards: readonly ShardSummary[];
}

type Row = NodeSpread & { readonly virtualNodes: number };

async function askSpread(admin: Admin): Promise<Spread> {
  const [ofNodes, ofShards] = await Promise.all([admin.listNodes(), admin.listShards()]);
  requireLeader(ofNodes);
  requireLeader(ofShards);
  const { shards } = ofShards;
  const counts = new Map(
    ofNodes.nodes.map(({ node, virtualNodes }) => [node?.id ?? '', virtualNodes]),
  );
  const nodes = spreadOf(shards).map((one) => ({
    ...one,
    virtualNodes: counts.get(one.node) ?? 0,
  }));
  return { nodes, shards };
}

function ringOf(draw: boolean): Listing<Spread, Row> {
  return {
    columns: [
      { title: 'NODE', cell: ({ node }) => node },
      { title: 'VIRTUAL NODES', align: 'right', cell: ({ virtualNodes }) => String(virtualNodes) },
      { title: 'FIRST OWNER', align: 'right', cell: ({ first }) => String(first) },
      { title: 'REPLICAS', align: 'right', cell: ({ replicas }) => String(replicas) },
      { title: 'OF MEAN', align: 'right', cell: ({ ofMean }) => ofMean.toFixed(2) },
      { title: '', cell: ({ ofMean }) => '#'.repeat(Math.round(ofMean * BAR_CHARACTERS)) },
    ],
    rows: ({ nodes }) => nodes,
    name: ({ node }) => node,
    json: ({ nodes }) => nodes,
    empty: 'No shard has an owner yet; `stele nodes` shows why.',
    notes: (_rows, { shards }) => (draw ? drawRing(shards) : []),
  };
}

/** The load of one node, counted in shards. */
export interface NodeSpread {
  readonly node: string;
  /** Shards of which it is the first owner. */
  readonly first: number;
  readonly replicas: number;
  /** Its replicas divided by the mean of all nodes. */
  readonly ofMean: number;
}

/** Counts the owners of all shards, by node, in the order of their names. */
export function spreadOf(shards: readonly Pick<ShardSummary, 'owners'>[]): NodeSpread[] {
  const counts = new Map<string, { first: number; replicas: number }>();
  for (const { owners } of shards) {
    for (const [place, owner] of owners.entries()) {
      const count = counts.get(owner) ?? { first: 0, replicas: 0 };
      count.replicas++;
      if (place === 0) count.first++;
      counts.set(owner, count);
    }
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count.replicas, 0);
  return [...counts]
    .map(([node, count]) => ({ node, ...count, ofMean: (count.replicas * counts.size) / total }))
    .sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }));
}

const SYMBOLS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const OUTSIDE_SYMBOLS = '*';
const RADIUS_ROWS = 9;
/** A character of a terminal is about twice as high as it is wide. */
const COLUMNS_PER_ROW = 2.1;

/**
 * Draws the ring as a circle of characters, clockwise from the top: at each place the first owner
 * of the shard there, as one letter; then the meaning of the letters. If there are more shards than
 * places, adjacent shards share one.
 */
export function drawRing(shards: readonly Pick<ShardSummary, 'owners'>[]): string[] {
  const nodes = spreadOf(shards).map(({ node }) => node);
  const symbols = new Map(nodes.map((node, at) => [node, SYMBOLS[at] ?? OUTSIDE_SYMBOLS]));
  const width = Math.round(RADIUS_ROWS * COLUMNS_PER_ROW);
  const rows = Array.from({ length: 2 * RADIUS_ROWS + 1 }, () =>
    Array.from({ length: 2 * width + 1 }, () => ' '),
  );
  const steps = Math.max(shards.length, 16 * RADIUS_ROWS);
  for (let step = 0; step < steps; step++) {
    const owner = shards[Math.floor((step * shards.length) / steps)]?.owners[0];
    const angle = (2 * Math.PI * step) / steps;
    const row = rows[Math.round(RADIUS_ROWS * (1 - Math.cos(angle)))];
    const column = Math.round(width * (1 + Math.sin(angle)));
    if (row !== undefined) row[column] = owner === undefined ? '.' : (symbols.get(owner) ?? '.');
  }
  const legend = nodes.map((node) => `${symbols.get(node) ?? OUTSIDE_SYMBOLS} ${node}`);
  return ['', ...rows.map((row) => row.join('').trimEnd()), '', ...legend];
}

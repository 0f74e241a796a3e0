// `stele ring`: how evenly the ring spreads the shards. Mean 1.00 is a node's fair share.

import type { ShardSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { requireLeader } from '../../no-leader.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

const BAR_CHARACTERS = 20;

export const definition = defineVerb({
  name: 'ring',
  operands: '',
  schema: settingsOf({
    ...listingOptions,
    draw: option.flag('draw which datanode is the first owner of each shard, around the ring'),
  }),
  examples: ['stele ring', 'stele ring --draw', 'stele ring -o json'],
  async run({ settings: { values }, output }) {
    const { nodes, shards } = await withAdmin(values, async (admin) => {
      const [ofNodes, ofShards] = await Promise.all([admin.listNodes(), admin.listShards()]);
      requireLeader(ofNodes);
      requireLeader(ofShards);
      return { ...ofNodes, ...ofShards };
    });
    const counts = new Map(nodes.map(({ node, virtualNodes }) => [node?.id ?? '', virtualNodes]));
    const spread = spreadOf(shards).map((one) => ({
      ...one,
      virtualNodes: counts.get(one.node) ?? 0,
    }));
    if (values.output === 'json') printJson(output, spread);
    else if (spread.length === 0)
      output.line('No shard has an owner yet; `stele nodes` shows why.');
    else output.line(formatTable(COLUMNS, spread.map(toCells)));
    if (values.draw && values.output !== 'json')
      for (const line of drawRing(shards)) output.line(line);
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'NODE' },
  { title: 'VIRTUAL NODES', align: 'right' },
  { title: 'FIRST OWNER', align: 'right' },
  { title: 'REPLICAS', align: 'right' },
  { title: 'OF MEAN', align: 'right' },
  { title: '' },
] as const;

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

function toCells(spread: NodeSpread & { readonly virtualNodes: number }): string[] {
  return [
    spread.node,
    String(spread.virtualNodes),
    String(spread.first),
    String(spread.replicas),
    spread.ofMean.toFixed(2),
    '#'.repeat(Math.round(spread.ofMean * BAR_CHARACTERS)),
  ];
}

const SYMBOLS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const OUTSIDE_SYMBOLS = '*';
const RADIUS_ROWS = 9;
/** A character of a terminal is about twice as high as it is wide. */
const COLUMNS_PER_ROW = 2.1;

/**
 * Draws the ring as a circle of characters, clockwise from the top: at each place the first owner of the
 * shard there, as one letter; then the meaning of the letters. If there are more shards than places,
 * adjacent shards share one.
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

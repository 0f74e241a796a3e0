// Nodes, zones and shards, live: a node dies, and its shards move.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Node, Shard } from '../api/shapes.ts';
import { bytes, count, plural } from '../format/numbers.ts';
import { Nothing, PageTitle, State } from '../parts/small.tsx';
import { changedShards, ownersOf, shardSentence } from '../ring/cells.ts';
import type { Cells } from '../ring/cells.ts';
import { coloursOf, zonesOf } from '../ring/colours.ts';
import { RingLegend } from '../ring/ring-legend.tsx';
import type { ShardCounts } from '../ring/ring-legend.tsx';
import { RingPicture, useCells } from '../ring/ring-picture.tsx';
import { health, shards } from '../state/answers.ts';
import { usePolled } from '../state/polled.ts';

const POLL_MS = 1000;
/** For how long shards that have changed stand out. */
const CHANGED_MS = 4000;

export function RingPage() {
  const nodes = usePolled(health, POLL_MS)?.nodes;
  const all = usePolled(shards, POLL_MS)?.shards;
  return (
    <>
      <PageTitle text="Ring" />
      {nodes === undefined || all === undefined || all.length === 0 ? (
        <Nothing
          isKnown={nodes !== undefined && all !== undefined}
          text="There are no shards before the first datanode has joined."
        />
      ) : (
        <Ring nodes={nodes} shards={all} />
      )}
    </>
  );
}

function Ring({
  nodes,
  shards: all,
}: {
  readonly nodes: readonly Node[];
  readonly shards: readonly Shard[];
}) {
  const [wanted, setSelected] = useState(0);
  const [highlighted, setHighlighted] = useState<string | undefined>(undefined);
  const selected = Math.min(wanted, all.length - 1);
  const cells = useCells(all, nodes);
  const changed = useChanged(cells);
  const zones = useMemo(() => zonesOf(nodes), [nodes]);
  // Colours stay while the nodes are the same.
  const names = zones.map((zone) => zone.nodes.map(({ id }) => id).join(' ')).join('|');
  const colours = useMemo(() => coloursOf(zones), [names]);
  const counts = useMemo(() => countShards(all), [all]);
  const shard = all[selected];
  return (
    <div class="ring-page">
      <div>
        <RingPicture
          shards={all}
          cells={cells}
          colours={colours}
          selected={selected}
          onSelect={setSelected}
          highlighted={highlighted}
          changed={changed}
        />
        <p class="hint">
          Outside is the health of each shard, and inside one band for each copy, in the colour of
          its owner: full where it has the shard, pale where it is still copied, an outline where it
          is down. Arrow keys go from shard to shard.
        </p>
      </div>
      <div>
        {shard !== undefined && <ShardFacts shard={shard} />}
        <RingLegend
          zones={zones}
          colours={colours}
          counts={counts}
          highlighted={highlighted}
          onHighlight={setHighlighted}
          holders={shard?.holders ?? []}
        />
        <p class="hint">{summary(all)}</p>
      </div>
    </div>
  );
}

function ShardFacts({ shard }: { readonly shard: Shard }) {
  return (
    <section class="card shard" aria-label={`Shard ${shard.shard}`}>
      <h2>
        Shard {shard.shard} <State word={shard.status} />
      </h2>
      <p>{shardSentence(shard)}</p>
      <p class="hint">
        {plural(shard.records ?? 0, 'row')} and {bytes(shard.bytes)} a copy, all keyspaces together.
        Owners: {ownersOf(shard).join(', ')}.
      </p>
    </section>
  );
}

function summary(all: readonly Shard[]): string {
  const moving = all.filter(({ holders, owners }) =>
    owners?.some((node) => !holders.includes(node)),
  );
  return moving.length === 0
    ? 'Every owner has its shards.'
    : `${plural(moving.length, 'shard')} of ${count(all.length)} are not yet on all of their owners.`;
}

function countShards(all: readonly Shard[]): ReadonlyMap<string, ShardCounts> {
  const counts = new Map<string, { owned: number; held: number }>();
  const of = (node: string) => {
    const found = counts.get(node) ?? { owned: 0, held: 0 };
    counts.set(node, found);
    return found;
  };
  for (const shard of all) {
    for (const node of ownersOf(shard)) of(node).owned++;
    for (const node of shard.holders) of(node).held++;
  }
  return counts;
}

/** The shards whose cells have changed within the last seconds. */
function useChanged(cells: Cells): readonly number[] {
  const before = useRef<Cells>(cells);
  const [changed, setChanged] = useState<readonly number[]>([]);
  useEffect(() => {
    const found = changedShards(before.current, cells);
    before.current = cells;
    if (found.length === 0) return undefined;
    setChanged(found);
    const timer = setTimeout(() => setChanged([]), CHANGED_MS);
    return () => clearTimeout(timer);
  }, [cells]);
  return changed;
}

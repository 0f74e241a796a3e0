// The datanodes of the ring by zone: colour, state, how many shards each should have and has.

import type { Node } from '../api/shapes.ts';
import { count } from '../format/numbers.ts';
import { State } from '../parts/small.tsx';
import type { Zone } from './colours.ts';

export interface ShardCounts {
  readonly owned: number;
  readonly held: number;
}

interface RingLegendProps {
  readonly zones: readonly Zone[];
  readonly colours: ReadonlyMap<string, string>;
  readonly counts: ReadonlyMap<string, ShardCounts>;
  readonly highlighted: string | undefined;
  readonly onHighlight: (node: string | undefined) => void;
  /** The nodes that hold the selected shard. */
  readonly holders: readonly string[];
}

export function RingLegend({ zones, ...rest }: RingLegendProps) {
  return (
    <div class="legend">
      {zones.map(({ name, nodes }) => (
        <section key={name} aria-label={name === '' ? 'Datanodes' : `Zone ${name}`}>
          <h3>{name === '' ? 'Datanodes' : `Zone ${name}`}</h3>
          <ul>
            {nodes.map((node) => (
              <Entry key={node.id} node={node} {...rest} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

interface EntryProps extends Omit<RingLegendProps, 'zones'> {
  readonly node: Node;
}

function Entry({ node, colours, counts, highlighted, holders, onHighlight }: EntryProps) {
  const { id, state } = node;
  const { held, owned } = counts.get(id) ?? { held: 0, owned: 0 };
  const isOn = highlighted === id;
  return (
    <li>
      <button
        type="button"
        class={`entry${holders.includes(id) ? ' holds' : ''}`}
        aria-pressed={isOn}
        title={`Shows the shards of ${id}`}
        onClick={() => onHighlight(isOn ? undefined : id)}
      >
        <svg viewBox="0 0 10 10" aria-hidden="true">
          <rect width="10" height="10" rx="2" fill={colours.get(id) ?? 'currentColor'} />
        </svg>
        <span class="name">{id}</span>
        {state !== 'SERVING' && <State word={state} />}
        <span class="numbers">
          {held === owned ? count(held) : `${count(held)} of ${count(owned)}`}
        </span>
      </button>
    </li>
  );
}

// The ring, drawn: health outside, then a band for each copy. It is a slider over the shards for
// keyboards and screen readers.

import { useMemo } from 'preact/hooks';
import type { Node, Shard } from '../api/shapes.ts';
import { cellsOf, shardSentence } from './cells.ts';
import type { Cells } from './cells.ts';
import {
  HEALTH_BAND,
  RADIUS,
  arc,
  bandOfAll,
  cellPaths,
  pathsByName,
  shardAt,
} from './geometry.ts';

interface RingPictureProps {
  readonly shards: readonly Shard[];
  readonly cells: Cells;
  readonly colours: ReadonlyMap<string, string>;
  /** The shard that is described. */
  readonly selected: number;
  readonly onSelect: (shard: number) => void;
  /** The node whose shards stand out. */
  readonly highlighted: string | undefined;
  /** Shards that have just changed. */
  readonly changed: readonly number[];
}

const MARGIN = 6;
const SIZE = 2 * (RADIUS + MARGIN);
const STEPS: Readonly<Record<string, number>> = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 16,
  PageDown: -16,
};

export function RingPicture(props: RingPictureProps) {
  const { cells, onSelect, selected, shards } = props;
  const total = shards.length;
  const shard = shards[selected];
  const whole = bandOfAll(cells.length);
  const onKeyDown = (event: KeyboardEvent): void => {
    const target = keyTarget(event.key, selected, total);
    if (target === undefined) return;
    event.preventDefault();
    onSelect(target);
  };
  const onPointer = (event: PointerEvent & { readonly currentTarget: SVGSVGElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width - 0.5) * SIZE;
    const y = ((event.clientY - box.top) / box.height - 0.5) * SIZE;
    const found = shardAt(x, y, total, whole);
    if (found !== undefined && found !== selected) onSelect(found);
  };
  return (
    <svg
      class="ring"
      viewBox={`${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}`}
      role="slider"
      // As SVG spells it.
      tabindex={0}
      aria-label="Shards of the ring"
      aria-valuemin={0}
      aria-valuemax={total - 1}
      aria-valuenow={selected}
      aria-valuetext={shard === undefined ? '' : shardSentence(shard)}
      onKeyDown={onKeyDown}
      onPointerMove={onPointer}
      onPointerDown={onPointer}
    >
      <HealthBand shards={shards} />
      <Bands cells={cells} colours={props.colours} highlighted={props.highlighted} />
      {props.changed.length > 0 && (
        <Changed total={total} changed={props.changed} ranks={cells.length} />
      )}
      <path class="selected" d={arc(selected, selected + 1, total, whole)} />
      <text y="-4">{total} shards</text>
      <text class="quiet" y="9">
        shard {selected}
      </text>
    </svg>
  );
}

function keyTarget(key: string, selected: number, total: number): number | undefined {
  if (key === 'Home') return 0;
  if (key === 'End') return total - 1;
  const step = STEPS[key];
  return step === undefined ? undefined : (selected + step + total) % total;
}

function HealthBand({ shards }: { readonly shards: readonly Shard[] }) {
  const paths = useMemo(
    () => [
      ...pathsByName(
        shards.map(({ status }) => status),
        HEALTH_BAND,
      ),
    ],
    [shards],
  );
  return (
    <g>
      {paths.map(([status, path]) => (
        <path key={status} class={`health-${status}`} d={path} />
      ))}
    </g>
  );
}

type BandsProps = Pick<RingPictureProps, 'cells' | 'colours' | 'highlighted'>;

/** One element for each node, state and rank, however many shards there are. */
function Bands({ cells, colours, highlighted }: BandsProps) {
  const paths = useMemo(() => cellPaths(cells), [cells]);
  return (
    <g class={highlighted === undefined ? '' : 'dimmed'}>
      {paths.map(({ node, path, state }, at) => (
        <path
          key={at}
          class={`cell ${state}${node === highlighted ? ' highlighted' : ''}`}
          fill={colours.get(node) ?? 'currentColor'}
          stroke={colours.get(node) ?? 'currentColor'}
          d={path}
        />
      ))}
    </g>
  );
}

interface ChangedProps {
  readonly changed: readonly number[];
  readonly total: number;
  readonly ranks: number;
}

function Changed({ changed, ranks, total }: ChangedProps) {
  const path = useMemo(() => {
    const names = Array.from<string | undefined>({ length: total });
    for (const shard of changed) names[shard] = 'changed';
    return pathsByName(names, bandOfAll(ranks)).get('changed') ?? '';
  }, [changed, ranks, total]);
  return <path class="changed" d={path} />;
}

/** The cells of a cluster, made again only when its shards or nodes have changed. */
export function useCells(shards: readonly Shard[], nodes: readonly Node[]): Cells {
  const down = nodes
    .filter(({ state }) => state === 'DOWN')
    .map(({ id }) => id)
    .join(' ');
  return useMemo(() => cellsOf(shards, nodes), [shards, down]);
}

// Where the records of a keyspace are, for people.

import type { Keyspace } from '../api/shapes.ts';
import { bytes, plural } from './numbers.ts';

/** `on disk`, or what is left until all datanodes have it there. */
export function tierText({ tier, tier_move: move }: Pick<Keyspace, 'tier' | 'tier_move'>): string {
  const place = tier === 'disk' ? 'on disk' : 'in memory';
  if (move === null) return place;
  const { bytes_left: left, failure, nodes_unknown: unknown, segments_left: segments } = move;
  const parts = [
    ...(segments > 0 ? [`${plural(segments, 'segment')} left (${bytes(left)})`] : []),
    ...(unknown > 0 ? [`${plural(unknown, 'datanode')} yet to say what is left`] : []),
    ...(failure === null ? [] : [`the last try failed (${failure})`]),
  ];
  return `${place} soon: ${parts.join(', ')}`;
}

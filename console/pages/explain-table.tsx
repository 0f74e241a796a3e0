// Where a key lives, and why.

import type { ExplainedKey } from '../api/shapes.ts';
import { Scroll, State } from '../parts/small.tsx';

export function ExplainTable({ explained }: { readonly explained: ExplainedKey }) {
  const { replicas, segments, served_by: servedBy, shard, slot, version } = explained;
  return (
    <section class="card" aria-label="Where the key lives">
      <h2>Where it lives</h2>
      <p>
        Slot {slot}, shard {shard}, version {version}.{' '}
        {servedBy === null
          ? 'No datanode can answer for it now.'
          : `${servedBy} answers reads of it.`}
      </p>
      <Scroll label="Copies of the shard">
        <table>
          <thead>
            <tr>
              <th scope="col">Datanode</th>
              <th scope="col">State</th>
              <th scope="col">Owner</th>
              <th scope="col">Has it</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {replicas.map((replica) => (
              <tr key={replica.node}>
                <th scope="row">{replica.node}</th>
                <td>
                  <State word={replica.state} />
                </td>
                <td>{replica.owner ? 'yes' : 'no'}</td>
                <td>{replica.holds ? 'yes' : 'no'}</td>
                <td class="text">{replica.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p class="hint">Segments: {segments.length === 0 ? 'none' : segments.join(', ')}</p>
    </section>
  );
}

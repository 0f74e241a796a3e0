// All datasets: what is current, how large it is, and in which state.

import type { Keyspace } from '../api/shapes.ts';
import { bytes, count } from '../format/numbers.ts';
import { tierText } from '../format/tiers.ts';
import { Nothing, PageTitle, Scroll, State, Time } from '../parts/small.tsx';
import { keyspaces } from '../state/answers.ts';
import { hrefOf } from '../state/place.ts';
import { usePolled } from '../state/polled.ts';

const POLL_MS = 2000;

export function KeyspacesPage() {
  const all = usePolled(keyspaces, POLL_MS)?.keyspaces;
  return (
    <>
      <PageTitle text="Keyspaces" />
      {all === undefined || all.length === 0 ? (
        <Nothing
          isKnown={all !== undefined}
          text="There is no keyspace that you may read. `stele load KEYSPACE FILE` makes one."
        />
      ) : (
        <Scroll label="Keyspaces">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col" class="number">
                  Version
                </th>
                <th scope="col" class="number">
                  Rows
                </th>
                <th scope="col" class="number">
                  Data
                </th>
                <th scope="col" class="number">
                  A copy
                </th>
                <th scope="col" class="number">
                  Copies
                </th>
                <th scope="col" class="number">
                  Kept
                </th>
                <th scope="col">Tier</th>
                <th scope="col">Committed</th>
              </tr>
            </thead>
            <tbody>
              {all.map((keyspace) => (
                <Row key={keyspace.name} keyspace={keyspace} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}

function Row({ keyspace }: { readonly keyspace: Keyspace }) {
  const { key_bytes: keys, value_bytes: values } = keyspace;
  return (
    <tr>
      <th scope="row">
        <a href={hrefOf('keyspaces', keyspace.name)}>{keyspace.name}</a>
      </th>
      <td>
        <State word={keyspace.state} />
      </td>
      <td class="number">{keyspace.current_version === 0 ? 'none' : keyspace.current_version}</td>
      <td class="number">{count(keyspace.records)}</td>
      <td class="number">{bytes(keys === null || values === null ? null : keys + values)}</td>
      <td class="number">{bytes(keyspace.segment_bytes)}</td>
      <td class="number">{count(keyspace.replication)}</td>
      <td class="number">{count(keyspace.keep)}</td>
      <td class="text">{tierText(keyspace)}</td>
      <td>
        <Time at={keyspace.committed_at} />
      </td>
    </tr>
  );
}

// The keys of a keyspace that are read most, and the largest values among those read.

import { useState } from 'preact/hooks';
import type { HotKey, HotKeys } from '../api/shapes.ts';
import { shownBytes } from '../format/samples.ts';
import { bytes, rate } from '../format/numbers.ts';
import { Nothing, PageTitle, Refusal, Scroll } from '../parts/small.tsx';
import { hotKeysOf, keyspaces } from '../state/answers.ts';
import { usePolled } from '../state/polled.ts';
import type { Polled } from '../state/polled.ts';

const POLL_MS = 3000;
const SLOW_POLL_MS = 5000;

export function HotKeysPage({ keyspace: named }: { readonly keyspace: string }) {
  const names = usePolled(keyspaces, SLOW_POLL_MS)?.keyspaces.map(({ name }) => name) ?? [];
  const [chosen, setChosen] = useState(named);
  const keyspace = chosen === '' ? (names[0] ?? '') : chosen;
  return (
    <>
      <PageTitle text="Hot keys and large values" />
      <form class="inline">
        <label>
          Keyspace
          <select value={keyspace} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </form>
      {keyspace === '' ? (
        <Nothing isKnown={keyspaces.answer.value !== undefined} text="There is no keyspace yet." />
      ) : (
        <Lists key={keyspace} polled={hotKeysOf(keyspace)} />
      )}
    </>
  );
}

function Lists({ polled }: { readonly polled: Polled<HotKeys> }) {
  const found = usePolled(polled, POLL_MS);
  if (found === undefined) {
    return (
      <>
        <Refusal text={polled.problem.value?.message} />
        <Nothing isKnown={polled.problem.value !== undefined} text="" />
      </>
    );
  }
  return (
    <>
      <p>
        {rate(found.reads_per_second)} reads/s of {found.keyspace} on all datanodes.
        {found.unanswered.length > 0 && ` The reads of ${found.unanswered.join(', ')} are missing.`}
      </p>
      <h2>Read most</h2>
      <List label="Keys that are read most" keys={found.hottest} all={found.reads_per_second} />
      <h2>Largest</h2>
      <List
        label="Largest values that were read"
        keys={found.largest}
        all={found.reads_per_second}
      />
      <p class="hint">
        Each datanode samples about one in 512 reads; old ones fade. Reads that a master or a query
        node answers from its cache are not seen.
      </p>
    </>
  );
}

interface ListProps {
  readonly label: string;
  readonly keys: readonly HotKey[];
  readonly all: number;
}

function List({ label, keys, all }: ListProps) {
  if (keys.length === 0) return <Nothing isKnown text="No read has been sampled yet." />;
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col" class="number">
              Reads/s
            </th>
            <th scope="col" class="number">
              Of all
            </th>
            <th scope="col" class="number">
              Value
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((one) => (
            <tr key={one.key}>
              <th scope="row" class="bytes">
                {one.encoding === 'base64' ? shownBytes(one.key) : one.key}
              </th>
              <td class="number">{rate(one.reads_per_second)}</td>
              <td class="number">
                {all > 0 ? `${Math.round((100 * one.reads_per_second) / all)}%` : '–'}
              </td>
              <td class="number">{bytes(one.value_bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

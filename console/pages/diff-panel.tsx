// The difference between two versions, with some of the keys that differ.

import { useState } from 'preact/hooks';
import { keyspacePath } from '../api/paths.ts';
import { ask } from '../api/request.ts';
import type { Diff, DiffValue, Version } from '../api/shapes.ts';
import { shownBytes } from '../format/samples.ts';
import { count, plural } from '../format/numbers.ts';
import { Refusal, Scroll } from '../parts/small.tsx';

const SAMPLES = 20;
/** A diff of large versions reads many shards. */
const DEADLINE_MS = 600_000;

interface DiffPanelProps {
  readonly keyspace: string;
  readonly versions: readonly Version[];
}

export function DiffPanel({ keyspace, versions }: DiffPanelProps) {
  const numbers = versions.map(({ version }) => version);
  const current = versions.find((version) => version.current)?.version ?? numbers[0] ?? 0;
  const before = versions.find((version) => version.rollback_target)?.version;
  const [from, setFrom] = useState(before ?? numbers.find((one) => one !== current) ?? current);
  const [to, setTo] = useState(current);
  const [diff, setDiff] = useState<Diff | undefined>(undefined);
  const [refusal, setRefusal] = useState('');
  const [isBusy, setBusy] = useState(false);
  const compare = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setRefusal('');
    try {
      const query = `?from=${from}&to=${to}&samples=${SAMPLES}&encoding=base64`;
      const path = keyspacePath(keyspace, `/diff${query}`);
      setDiff(await ask<Diff>(path, { deadlineMs: DEADLINE_MS }));
    } catch (thrown) {
      setDiff(undefined);
      setRefusal((thrown as Error).message);
    }
    setBusy(false);
  };
  return (
    <section class="card" aria-label="Difference between two versions">
      <h2>Difference</h2>
      <form class="inline" onSubmit={(event) => void compare(event)}>
        <VersionSelect label="From version" value={from} numbers={numbers} onChange={setFrom} />
        <VersionSelect label="to version" value={to} numbers={numbers} onChange={setTo} />
        <button type="submit" disabled={isBusy}>
          {isBusy ? 'Comparing ...' : 'Compare'}
        </button>
      </form>
      <Refusal text={refusal} />
      {diff !== undefined && <DiffResult diff={diff} />}
    </section>
  );
}

interface VersionSelectProps {
  readonly label: string;
  readonly value: number;
  readonly numbers: readonly number[];
  readonly onChange: (version: number) => void;
}

function VersionSelect({ label, value, numbers, onChange }: VersionSelectProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(Number(event.currentTarget.value))}>
        {numbers.map((number) => (
          <option key={number} value={number}>
            {number}
          </option>
        ))}
      </select>
    </label>
  );
}

function DiffResult({ diff }: { readonly diff: Diff }) {
  const { added, changed, from, removed, samples, shards, to } = diff;
  const isSame = added + removed + changed === 0;
  return (
    <>
      <p role="status">
        {isSame
          ? `Versions ${from} and ${to} have the same keys and values.`
          : `From version ${from} to ${to}: ${count(added)} added, ${count(removed)} removed, ${count(changed)} changed.`}{' '}
        {plural(shards.compared, 'shard')} of {count(shards.total)} differ.
      </p>
      {samples.length > 0 && (
        <Scroll label="Samples of the difference">
          <table>
            <thead>
              <tr>
                <th scope="col">Change</th>
                <th scope="col">Key</th>
                <th scope="col">In version {from}</th>
                <th scope="col">In version {to}</th>
              </tr>
            </thead>
            <tbody>
              {samples.map((sample) => (
                <tr key={`${sample.kind} ${sample.key}`}>
                  <td>{sample.kind}</td>
                  <td class="bytes">{shownBytes(sample.key)}</td>
                  <td class="bytes">{valueText(sample.from)}</td>
                  <td class="bytes">{valueText(sample.to)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}

function valueText(value: DiffValue | null): string {
  return value === null ? '–' : shownBytes(value.value, value.bytes);
}

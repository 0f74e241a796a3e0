// What a keyspace takes of memory and disk, in either tier, and what changes would free. Asked for
// while it is open, because the datanodes read some records for it.

import { useState } from 'preact/hooks';
import type { Cost } from '../api/shapes.ts';
import { bytes, count, percent, plural, rate } from '../format/numbers.ts';
import { Nothing, Refusal, Scroll } from '../parts/small.tsx';
import { costOf } from '../state/answers.ts';
import { usePolled } from '../state/polled.ts';

const POLL_MS = 60_000;

export function CostPanel({ keyspace }: { readonly keyspace: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Memory and disk, and what changes would free</summary>
      {isOpen && <Costs keyspace={keyspace} />}
    </details>
  );
}

function Costs({ keyspace }: { readonly keyspace: string }) {
  const polled = costOf(keyspace);
  const cost = usePolled(polled, POLL_MS);
  const problem = polled.problem.value?.message;
  if (cost === undefined) {
    return (
      <>
        <Refusal text={problem} />
        <Nothing isKnown={problem !== undefined} text="" />
      </>
    );
  }
  const { hit_ratio: hitRatio, key_sizes: keys, sampled, unanswered, value_sizes: values } = cost;
  return (
    <>
      <p>
        {plural(cost.copies, 'copy', 'copies')} of {plural(cost.versions, 'version')}.{' '}
        {rate(cost.reads_per_second)} reads/s at the datanodes
        {hitRatio !== null && `, ${percent(hitRatio)} of the keys found`}.
        {unanswered.length > 0 && ` ${unanswered.join(', ')} did not answer.`}
      </p>
      <Tiers cost={cost} />
      {cost.changes.length > 0 && <Changes cost={cost} />}
      {keys !== null && values !== null && (
        <p class="hint">
          Of {count(sampled)} sampled records: keys of {bytes(keys.p50)} (p50) to{' '}
          {bytes(keys.largest)}, values of {bytes(values.p50)} (p50), {bytes(values.p99)} (p99), to{' '}
          {bytes(values.largest)}.
        </p>
      )}
    </>
  );
}

function Tiers({ cost }: { readonly cost: Cost }) {
  return (
    <Scroll label="What each tier takes">
      <table>
        <thead>
          <tr>
            <th scope="col">Records</th>
            {['Memory', 'Disk', 'Memory a key', 'Disk a key'].map((title) => (
              <th key={title} scope="col" class="number">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {cost.tiers.map((one) => (
            <tr key={one.tier}>
              <th scope="row">
                {one.tier === 'memory' ? 'in memory' : 'on disk'}
                {one.tier === cost.tier && !cost.suspended && ' (now)'}
              </th>
              <td class="number">{bytes(one.memory_bytes)}</td>
              <td class="number">{bytes(one.disk_bytes)}</td>
              <td class="number">{one.memory_bytes_per_record.toFixed(1)} B</td>
              <td class="number">{one.disk_bytes_per_record.toFixed(1)} B</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Changes({ cost }: { readonly cost: Cost }) {
  return (
    <Scroll label="What changes would free">
      <table>
        <thead>
          <tr>
            <th scope="col">Change</th>
            <th scope="col" class="number">
              Frees memory
            </th>
            <th scope="col" class="number">
              Frees disk
            </th>
          </tr>
        </thead>
        <tbody>
          {cost.changes.map((one) => (
            <tr key={one.change}>
              <th scope="row">{one.change}</th>
              <td class="number">{signed(one.memory_bytes)}</td>
              <td class="number">{signed(one.disk_bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function signed(value: number): string {
  return value < 0 ? `−${bytes(-value)}` : bytes(value);
}

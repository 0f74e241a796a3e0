// One key: its value, and where it lives.

import { useState } from 'preact/hooks';
import { explainPath, fitsIntoPath, keyPath } from '../api/paths.ts';
import { Problem } from '../api/problem.ts';
import { ask, send } from '../api/request.ts';
import type { ExplainedKey } from '../api/shapes.ts';
import { bytesOfHex } from '../format/value-text.ts';
import { PageTitle, Refusal } from '../parts/small.tsx';
import { keyspaces } from '../state/answers.ts';
import { usePolled } from '../state/polled.ts';
import { ExplainTable } from './explain-table.tsx';
import { ValueView } from './value-view.tsx';
import type { FoundValue } from './value-view.tsx';

const POLL_MS = 5000;
const DEADLINE_MS = 30_000;

interface Outcome {
  readonly value?: FoundValue;
  readonly problem?: Problem;
  readonly explained?: ExplainedKey;
}

export function KeyPage({ keyspace: named }: { readonly keyspace: string }) {
  const names = usePolled(keyspaces, POLL_MS)?.keyspaces.map(({ name }) => name) ?? [];
  const [chosen, setChosen] = useState(named);
  const [key, setKey] = useState('');
  const [isHex, setHex] = useState(false);
  const [version, setVersion] = useState('');
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const keyspace = chosen === '' ? (names[0] ?? '') : chosen;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wanted = isHex ? bytesOfHex(key) : new TextEncoder().encode(key);
    if (wanted === undefined) {
      const text = 'The key is not hex: write two digits for each byte, such as 0f a0.';
      setOutcome({ problem: new Problem(0, 'INVALID_ARGUMENT', text) });
    } else setOutcome(await lookUp(keyspace, wanted, version));
  };
  return (
    <>
      <PageTitle text="Key" />
      <form class="card inline" onSubmit={(event) => void submit(event)}>
        <label>
          Keyspace
          <select value={keyspace} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label class="grow">
          Key
          <input
            required
            autocomplete="off"
            spellcheck={false}
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <HexChoice isHex={isHex} onChange={setHex} />
        <label>
          Version
          <input
            class="short"
            inputMode="numeric"
            pattern="[1-9][0-9]*"
            placeholder="current"
            value={version}
            onInput={(event) => setVersion(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={keyspace === ''}>
          Look up
        </button>
      </form>
      <Refusal text={outcome?.problem?.message} />
      {outcome?.value !== undefined && <ValueView found={outcome.value} />}
      {outcome?.explained !== undefined && <ExplainTable explained={outcome.explained} />}
    </>
  );
}

function HexChoice(props: {
  readonly isHex: boolean;
  readonly onChange: (isHex: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.isHex}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      Key in hex
    </label>
  );
}

/** The value and the place of a key; either may be missing. */
async function lookUp(keyspace: string, key: Uint8Array, version: string): Promise<Outcome> {
  if (!fitsIntoPath(key)) {
    const text = 'A browser cannot send this key. `stele cli` can: GET.';
    return { problem: new Problem(0, 'INVALID_ARGUMENT', text) };
  }
  const [value, explained] = await Promise.allSettled([
    readValue(keyspace, key, version),
    ask<ExplainedKey>(explainPath(keyspace, key)),
  ]);
  return {
    ...(value.status === 'fulfilled'
      ? { value: value.value }
      : { problem: value.reason as Problem }),
    ...(explained.status === 'fulfilled' ? { explained: explained.value } : {}),
  };
}

async function readValue(keyspace: string, key: Uint8Array, version: string): Promise<FoundValue> {
  const query = version === '' ? '' : `?version=${version}`;
  const beganMs = performance.now();
  const headers = { accept: 'application/octet-stream' };
  const response = await send(`${keyPath(keyspace, key)}${query}`, {
    headers,
    deadlineMs: DEADLINE_MS,
  });
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    version: response.headers.get('x-stele-version') ?? '',
    node: response.headers.get('x-stele-node') ?? '',
    tookMs: performance.now() - beganMs,
  };
}

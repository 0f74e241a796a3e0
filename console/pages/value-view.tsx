// A value as JSON, text or hex.

import { useMemo, useState } from 'preact/hooks';
import { bytes, latency } from '../format/numbers.ts';
import { bestView, hexDump, prettyJson, textOf } from '../format/value-text.ts';
import type { ValueView as View } from '../format/value-text.ts';

export interface FoundValue {
  readonly bytes: Uint8Array;
  readonly version: string;
  readonly node: string;
  /** Seen from the browser. */
  readonly tookMs: number;
}

const VIEWS = [
  ['json', 'JSON'],
  ['text', 'Text'],
  ['hex', 'Hex'],
] as const;
/** More of a value is shown only if somebody asks for it. */
const TEXT_MAX = 100_000;
const HEX_MAX = 16 * 1024;

export function ValueView({ found }: { readonly found: FoundValue }) {
  const best = useMemo(() => bestView(found.bytes), [found]);
  const [chosen, setChosen] = useState<
    { readonly of: FoundValue; readonly view: View } | undefined
  >();
  const [whole, setWhole] = useState<FoundValue | undefined>(undefined);
  const view = chosen?.of === found ? chosen.view : best;
  const { isCut, text } = useMemo(
    () => shown(found.bytes, view, whole === found),
    [found, view, whole],
  );
  return (
    <section class="card" aria-label="Value">
      <p role="status">
        Found in version {found.version}: {bytes(found.bytes.length)}, from datanode {found.node},
        in {latency(found.tookMs)}.
      </p>
      <fieldset class="choice">
        <legend>Show as</legend>
        {VIEWS.map(([name, title]) => (
          <label key={name} class="check">
            <input
              type="radio"
              name="view"
              checked={view === name}
              onChange={() => setChosen({ of: found, view: name })}
            />
            {title}
          </label>
        ))}
      </fieldset>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls */}
      <pre class="value" role="region" aria-label="The value" tabIndex={0}>
        {text}
      </pre>
      {isCut && (
        <button type="button" onClick={() => setWhole(found)}>
          Show all of it
        </button>
      )}
    </section>
  );
}

function shown(value: Uint8Array, view: View, isWhole: boolean): { text: string; isCut: boolean } {
  if (view === 'hex') {
    const isCut = !isWhole && value.length > HEX_MAX;
    return { text: hexDump(isCut ? value.subarray(0, HEX_MAX) : value), isCut };
  }
  const plain = textOf(value);
  if (plain === undefined) return { text: 'The value is not UTF-8; hex shows it.', isCut: false };
  const text = view === 'json' ? prettyJson(plain) : plain;
  if (text === undefined) {
    const why = 'The value is no JSON object or array, or has numbers that a browser cannot hold.';
    return { text: `${why} Text shows it as it is.`, isCut: false };
  }
  const isCut = !isWhole && text.length > TEXT_MAX;
  return { text: isCut ? text.slice(0, TEXT_MAX) : text, isCut };
}

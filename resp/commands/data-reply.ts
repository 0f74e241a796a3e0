// Writes JSON-like data as a reply: objects become maps, fractions doubles, booleans booleans.

import type { ReplyWriter } from '../wire/encoder.ts';

/** Writes `value`: text, numbers, booleans, null, and arrays and plain objects of these. */
export function writeData(out: ReplyWriter, value: unknown): void {
  if (typeof value === 'string') out.bulkText(value);
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) out.integer(value);
    else out.double(value);
  } else if (typeof value === 'boolean') out.boolean(value);
  else if (Array.isArray(value)) {
    out.array(value.length);
    for (const entry of value as unknown[]) writeData(out, entry);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    out.map(entries.length);
    for (const [name, entry] of entries) {
      out.bulkText(name);
      writeData(out, entry);
    }
  } else out.nil();
}

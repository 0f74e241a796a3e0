// Bytes of keys and values as people read them: JSON, text, hex. And keys as people write them.

export type ValueView = 'json' | 'text' | 'hex';

const HEX_ROW_BYTES = 16;

/** The text of bytes that are UTF-8; undefined of others. */
export function textOf(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined;
  }
}

/** JSON with two spaces of indent; undefined of what is no JSON object or array. */
export function prettyJson(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    // A number that a double cannot hold would be shown as another one.
    return losesDigits(text) ? undefined : JSON.stringify(parsed, undefined, 2);
  } catch {
    return undefined;
  }
}

function losesDigits(text: string): boolean {
  const withoutStrings = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  const numbers = withoutStrings.match(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g) ?? [];
  return numbers.some((number) => /^-?\d{16,}$/.test(number) && String(Number(number)) !== number);
}

/** The view that says most about a value. */
export function bestView(value: Uint8Array): ValueView {
  const text = textOf(value);
  if (text === undefined) return 'hex';
  return prettyJson(text) === undefined ? 'text' : 'json';
}

/** Rows of offset, 16 bytes in hex, and their ASCII. */
export function hexDump(value: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < value.length; at += HEX_ROW_BYTES) {
    const row = [...value.subarray(at, at + HEX_ROW_BYTES)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = row.map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    );
    const offset = at.toString(16).padStart(8, '0');
    rows.push(`${offset}  ${hex.padEnd(HEX_ROW_BYTES * 3 - 1)}  ${ascii.join('')}`);
  }
  return rows.join('\n');
}

/** The bytes of hex digits, with or without spaces; undefined of other text. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/\s|^0x/g, '');
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) return undefined;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

// Texts for people that several verbs print.

import type { HealthStatus, Warming } from '../proto/gen/stele/v1/view.ts';
import { healthWord } from '../proto/view-words.ts';
import type { Output } from './output.ts';
import { formatCount } from './text-table.ts';

/** `green`, `yellow` or `red`, in its own colour. */
export function paintHealth(output: Pick<Output, 'paint'>, status: HealthStatus): string {
  const word = healthWord(status);
  return word === 'green' || word === 'yellow' || word === 'red' ? output.paint(word, word) : word;
}

/** The release of a process, as listings show it. */
export function releaseText({ release }: { readonly release?: string | undefined }): string {
  return release ?? 'unknown';
}

/** `, warming 40%` of a datanode that reads into memory what it serves from disk; empty for others. */
export function warmingText({ warming }: { readonly warming?: Warming | undefined }): string {
  if (warming === undefined) return '';
  const { bytesDone, bytesTotal } = warming;
  return `, warming ${Math.floor((100 * bytesDone) / Math.max(1, bytesTotal))}%`;
}

/** `1 shard`, `2,000 shards`: a count with its noun. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/**
 * Bytes as text on one line of a terminal: UTF-8 as it is; bytes that could move the cursor or are
 * not text as `\xNN`. At most `max` characters, then `...`.
 */
export function printable(bytes: Buffer, max: number): string {
  const utf8 = decoded(bytes);
  const isBinary = utf8 === undefined;
  const text = utf8 ?? bytes.toString('latin1');
  let shown = '';
  let count = 0;
  for (const character of text) {
    if (count++ === max) return `${shown}...`;
    shown += escaped(character, isBinary);
  }
  return shown;
}

/** `bytes` as UTF-8, without a truncated character at the end; undefined if they are not UTF-8. */
function decoded(bytes: Buffer): string | undefined {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function escaped(character: string, isBinary: boolean): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  if (character === '\r') return '\\r';
  const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0) || isFormatting(code);
  if (!isControl && !(isBinary && code > 0x7e)) return character;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** Characters that change the direction of text or have no width, and so could disguise it. */
function isFormatting(code: number): boolean {
  return (
    (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || code === 0xfeff
  );
}

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** `stele` with `words`, quoted for a POSIX shell if needed. */
export function commandText(words: readonly string[]): string {
  return ['stele', ...words.map(quoted)].join(' ');
}

function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

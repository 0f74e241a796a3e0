// Formats and compressions by a file's ending.
//
//     people.csv.gz  ->  csv, gz         kv.data  ->  line, none

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

export type LoadFormat = 'line' | 'csv' | 'tsv' | 'jsonl';
export type Compression = 'none' | 'gz' | 'zst';

const FORMAT_BY_ENDING: ReadonlyMap<string, LoadFormat> = new Map([
  ['data', 'line'],
  ['txt', 'line'],
  ['csv', 'csv'],
  ['tsv', 'tsv'],
  ['jsonl', 'jsonl'],
  ['ndjson', 'jsonl'],
]);

const COMPRESSION_BY_ENDING: ReadonlyMap<string, Compression> = new Map([
  ['gz', 'gz'],
  ['zst', 'zst'],
]);

export function compressionOf(path: string): Compression {
  return COMPRESSION_BY_ENDING.get(endingOf(path)) ?? 'none';
}

/** The format that the ending stands for, or undefined. */
export function formatOf(path: string): LoadFormat | undefined {
  return FORMAT_BY_ENDING.get(endingWithin(path));
}

/** `.json` may be anything in a folder; a file that is named, or is said to be jsonl, is read as that. */
export function isJsonFile(path: string): boolean {
  return endingWithin(path) === 'json';
}

/** `.txt` may be anything, though it stands for lines. */
export function isTextFile(path: string): boolean {
  return endingWithin(path) === 'txt';
}

/** The ending before that of a compression. */
function endingWithin(path: string): string {
  const bare = compressionOf(path) === 'none' ? path : path.slice(0, path.lastIndexOf('.'));
  return endingOf(bare);
}

/** Whether the name has any ending at all: `part-00000` has none. */
export function hasEnding(path: string): boolean {
  return endingOf(path) !== '';
}

function endingOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1).toLowerCase();
}

/**
 * The format of one input: as told, or by its ending. Throws INPUT_AMBIGUOUS where it cannot be told.
 */
export function formatFor(path: string, wanted: LoadFormat | 'auto'): LoadFormat {
  const byEnding = isJsonFile(path) ? 'jsonl' : formatOf(path);
  const format = wanted === 'auto' ? byEnding : wanted;
  if (format === undefined) {
    const text =
      path === '-'
        ? 'The format of standard input cannot be told'
        : `The format of '${shorten(path, 200)}' cannot be told from its ending`;
    throw new SteleError(
      'INPUT_AMBIGUOUS',
      `${text}; name it with --format line, csv, tsv or jsonl.`,
    );
  }
  return format;
}

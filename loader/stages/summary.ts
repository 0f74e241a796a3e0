// What a finished load tells.

import { dialectsOf, inputText } from '../parse/found-dialect.ts';
import type { FoundDialect } from '../parse/found-dialect.ts';
import type { InputFile } from '../input/inputs.ts';
import type { AppendOutcome } from '../../proto/gen/stele/v1/load.ts';

/** What was found out of the inputs: for people, and format by format. */
export interface InputSummary {
  readonly text: string;
  readonly dialects: readonly FoundDialect[];
}

export function inputSummary(inputs: readonly InputFile[]): InputSummary {
  const dialects = dialectsOf(inputs);
  return { text: inputText(dialects), dialects };
}

/** As INTERFACE lists it; `rows` = loaded + duplicates + rejected. */
export interface LoadSummary {
  readonly keyspace: string;
  readonly version: number;
  /** Rows read; blank lines and headers are none. */
  readonly rows: number;
  readonly loaded: number;
  /** Rows whose key was there already: with the same value, or settled by --on-conflict. */
  readonly duplicates: number;
  /** Of `duplicates`, those that came with another value; --on-conflict chose. */
  readonly overruled: number;
  readonly rejected: number;
  /** Of those loaded, rows that took several lines of the file, by line ends in quotes. */
  readonly rowsOverLines: number;
  /** How the input was read. */
  readonly input: InputSummary;
  /** Of input. */
  readonly bytes: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly chunksResumed: number;
  readonly shardsResumed: number;
  /** Of the whole version. */
  readonly records: number;
  /** Of the whole version: 32 hex digits, the same for the same set of pairs. */
  readonly digest: string;
  /** Verified copies of the shard that had the fewest at the commit; 0: not told. */
  readonly replicas: number;
  /** Copies that the keyspace is to have; 0: not told. */
  readonly replication: number;
  /** What an append has changed; undefined where the load replaced what was there. */
  readonly append: AppendOutcome | undefined;
  /** The current version came from this very input: nothing was done. */
  readonly alreadyCurrent: boolean;
}

export function alreadyCurrentSummary(
  keyspace: string,
  version: number,
  elapsedMs: number,
  input: InputSummary,
): LoadSummary {
  return {
    keyspace,
    version,
    rows: 0,
    loaded: 0,
    duplicates: 0,
    overruled: 0,
    rejected: 0,
    rowsOverLines: 0,
    input,
    bytes: 0,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: 0,
    chunksResumed: 0,
    shardsResumed: 0,
    records: 0,
    digest: '',
    replicas: 0,
    replication: 0,
    append: undefined,
    alreadyCurrent: true,
  };
}

/** Milliseconds as seconds with three decimals. */
export function roundSeconds(elapsedMs: number): number {
  return Math.round(elapsedMs) / 1000;
}

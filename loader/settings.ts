// The settings of one load: every flag of `stele load`, from one schema (base/config.ts).

import { storeOptions } from '../archive/store-settings.ts';
import { TIER_WORDS } from '../proto/view-words.ts';
import { option, settingsOf } from '../base/config.ts';
import type { SettingsOf, SettingsValues } from '../base/config.ts';
import {
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  KEEP_MAX,
  MAX_SHRINK_DEFAULT,
  REPLICATION_MAX,
} from '../base/limits.ts';
import { usableCores } from '../base/process/usable-cores.ts';
import { usableMemoryBytes } from '../base/process/usable-memory.ts';
import { LOAD_FORMATS } from './format-names.ts';
import type { LoadFormat } from './format-names.ts';
import { userOptions } from '../transport/client-identity.ts';
import { tlsOptions } from '../transport/tls/tls-settings.ts';

const MiB = 1024 * 1024;
/** Below this no load works. */
export const MEMORY_BYTES_MIN = 256 * MiB;
/** Line ends that a quoted value may have. */
export const LINES_PER_VALUE_DEFAULT = 100;
const WORKERS_MAX = 64;
const REJECTS_MAX = 1_000_000_000;
const SKIP_LINES_MAX = 10_000;
const LINES_PER_VALUE_MAX = 100_000_000;
const ROWS_MAX = 1_000_000_000_000;
const HOUR_MS = 3_600_000;

/** A quarter of the machine, or of what its container allows; at most 2 GiB. */
function memoryDefault(): string {
  const quarter = Math.floor(usableMemoryBytes() / 4 / MiB);
  return `${Math.min(2048, Math.max(MEMORY_BYTES_MIN / MiB, quarter))}MiB`;
}

/** `auto` goes by the file's ending and content. */
const FORMAT_CHOICES: readonly (LoadFormat | 'auto')[] = ['auto', ...LOAD_FORMATS];

/** The flags of everything that commits a version. */
export const commitOptions = {
  minReplicas: option.count(
    'replicas a shard needs before the commit; 0 means the replication factor, or one per datanode that counts',
    0,
    { min: 0, max: REPLICATION_MAX },
  ),
  archive: option.choice(
    'copy in the deep store: made in the background, or awaited before the version becomes current',
    ['background', 'wait'] as const,
    'background',
  ),
  maxBytesPerSecond: option.bytes('bytes sent to all datanodes together; 0: no limit', '0', {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  }),
  replicaWait: option.duration('how long to wait for missing replicas before giving up', '60s', {
    min: 0,
    max: HOUR_MS,
  }),
  expectRows: option.optionalText(
    'gate: rows that the new version must have; with ±2% or +-2% after it, approximately',
    { placeholder: 'N[±P%]' },
  ),
  minRows: option.count('gate: rows that it must have at least', 0, { min: 0, max: ROWS_MAX }),
  maxShrink: option.optionalText('gate: how much smaller than the current version it may be', {
    placeholder: 'P%',
    defaultText: `${MAX_SHRINK_DEFAULT * 100}%; no limit with --mode append`,
  }),
  requireKey: option.list('gate: a key that it must have, and its value; may be given again', {
    placeholder: 'KEY[=VALUE]',
  }),
  keep: option.count(
    'versions that the keyspace keeps from now on; 0 leaves it as it is (2 at first)',
    0,
    { min: 0, max: KEEP_MAX },
  ),
  tier: option.optionalChoice(
    'where datanodes keep the records of the keyspace, from the start of the load on',
    TIER_WORDS,
    { defaultText: 'as it is; memory at first' },
  ),
};

export const loadSettings = settingsOf({
  master: option.addresses(
    'gRPC address of the master; of several masters, all, with commas',
    '127.0.0.1:8400',
  ),
  format: option.choice('format of the input; auto goes by the ending', FORMAT_CHOICES, 'auto'),
  key: option.optionalText(
    'column of the key: a name or a 1-based number; in jsonl a path, user.id',
    {
      placeholder: 'COLUMN',
    },
  ),
  value: option.optionalText('column of the value, likewise; without it, all others', {
    placeholder: 'COLUMN',
  }),
  header: option.choice(
    'whether the first row names the columns',
    ['auto', 'yes', 'no'] as const,
    'auto',
  ),
  delimiter: option.optionalText(
    'byte between the columns: a character, tab, or \\xNN; without it, what divides the first rows',
    { placeholder: 'CHAR' },
  ),
  hiveColumns: option.flag(
    'folders called column=value are columns of the files in them (csv, tsv, parquet, avro)',
  ),
  comment: option.text('lines that begin with this are skipped', '', { placeholder: 'PREFIX' }),
  skipLines: option.count('lines to skip at the beginning of every file', 0, {
    min: 0,
    max: SKIP_LINES_MAX,
  }),
  trim: option.flag('remove spaces and tabs around columns (csv, tsv)'),
  maxLinesPerValue: option.count(
    'line ends in one quoted value (csv); with more, its quote counts as never closed',
    LINES_PER_VALUE_DEFAULT,
    { min: 0, max: LINES_PER_VALUE_MAX },
  ),
  mode: option.choice(
    'replace the keyspace, or append to it',
    ['replace', 'append'] as const,
    'replace',
  ),
  onConflict: option.choice(
    'what to do when one key comes with two values',
    ['error', 'first', 'last'] as const,
    'error',
  ),
  chunkSize: option.bytes('bytes of input that one worker takes at a time', '16MiB', {
    min: CHUNK_BYTES_MIN,
    max: CHUNK_BYTES_MAX,
  }),
  workers: option.count(
    'worker threads',
    Math.min(usableCores(), WORKERS_MAX),
    { min: 1, max: WORKERS_MAX },
    { defaultText: 'one for each processor' },
  ),
  memoryMax: option.bytes(
    'memory limit of the loader',
    memoryDefault(),
    { min: MEMORY_BYTES_MIN, max: Number.MAX_SAFE_INTEGER },
    { defaultText: 'a quarter of the memory of the machine or container' },
  ),
  maxRejects: option.count('bad rows tolerated before the load is aborted', 0, {
    min: 0,
    max: REJECTS_MAX,
  }),
  rejects: option.optionalText(
    'file that gets every bad row as it is; the reasons go to FILE.reasons.jsonl',
    {
      placeholder: 'FILE',
    },
  ),
  workDir: option.text('folder for runs and checkpoints; what resumes an interrupted load', '', {
    placeholder: 'DIR',
    defaultText: '.stele/loads',
  }),
  noResume: option.flag('start from the beginning even if an interrupted load could be resumed'),
  ...commitOptions,
  skipIfCurrent: option.flag('do nothing if the current version came from this very input'),
  ...storeOptions,
  ...tlsOptions,
  ...userOptions,
});

/** What a commit needs to know. */
export type CommitSettings = SettingsOf<typeof commitOptions> & { readonly master: string };

/** What `runLoad` needs: the flags, the keyspace and the inputs. */
export interface LoadSettings extends SettingsValues<typeof loadSettings> {
  readonly keyspace: string;
  /** Files, folders, globs, URLs, or `-` for standard input. */
  readonly paths: readonly string[];
  /** What the input is, for people; absent: the names of the inputs. */
  readonly source?: string;
}

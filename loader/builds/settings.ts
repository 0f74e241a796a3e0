// The settings of `stele build`: the flags of a load that say what the input is and how much of
// this machine may be used, and where the build is.

import { SteleError } from '../../base/errors.ts';
import { option, optionsOf, resolveSettings, settingsOf } from '../../base/config.ts';
import type { SettingsValues } from '../../base/config.ts';
import { storeOptions } from '../../archive/store-settings.ts';
import { userOptions } from '../../transport/client-identity.ts';
import { tlsOptions } from '../../transport/tls/tls-settings.ts';
import { loadSettings } from '../settings.ts';
import type { LoadSettings } from '../settings.ts';

const { options: ofLoad } = loadSettings;

/** They decide how the bytes of an input become rows: all tasks of a build must have the same. */
const inputOptions = {
  format: ofLoad.format,
  key: ofLoad.key,
  value: ofLoad.value,
  header: ofLoad.header,
  delimiter: ofLoad.delimiter,
  hiveColumns: ofLoad.hiveColumns,
  comment: ofLoad.comment,
  skipLines: ofLoad.skipLines,
  trim: ofLoad.trim,
  maxLinesPerValue: ofLoad.maxLinesPerValue,
};

export const buildSettings = settingsOf({
  out: option.optionalText('where the build is: file:///path or s3://bucket/prefix', {
    placeholder: 'URL',
  }),
  task: option.optionalText(
    'which part of the work this process does, as 3/8; the number counts modulo 8, so 0 is 8',
    { placeholder: 'I/N', defaultText: '1/1' },
  ),
  merge: option.flag('merge the results of all tasks into segments; I/N is a part of the shards'),
  ...inputOptions,
  onConflict: {
    ...ofLoad.onConflict,
    description: 'with --merge: what to do when one key comes with two values',
  },
  maxRejects: { ...ofLoad.maxRejects, description: 'bad rows tolerated in this task' },
  rejects: ofLoad.rejects,
  chunkSize: ofLoad.chunkSize,
  workers: ofLoad.workers,
  memoryMax: { ...ofLoad.memoryMax, description: 'memory limit of the process' },
  workDir: {
    ...ofLoad.workDir,
    description: 'folder for what resumes an interrupted task or merge',
  },
  noResume: ofLoad.noResume,
  master: {
    ...ofLoad.master,
    description: 'asked once for the keyspace, if the build does not say which it is of',
  },
  ...storeOptions,
  ...tlsOptions,
  ...userOptions,
});

export interface BuildSettings extends SettingsValues<typeof buildSettings> {
  readonly keyspace: string;
  /** Files, folders, globs, URLs, or `-`; none for a merge. */
  readonly paths: readonly string[];
}

/** The settings as the stages of a load take them. */
export function stageSettings(settings: BuildSettings): LoadSettings {
  const defaults = resolveSettings(loadSettings, { flags: {}, environment: {}, file: {} }).values;
  return { ...defaults, ...settings };
}

/** The URL of the build. Throws INVALID_ARGUMENT. */
export function requireOut({ out }: BuildSettings): string {
  if (out !== undefined) return out;
  const text = 'Say where the build is with --out, such as file:///mnt/builds/a or s3://bucket/a.';
  throw new SteleError('INVALID_ARGUMENT', text);
}

/** The values of the input flags by name, as text. */
export function inputFlags(settings: BuildSettings): Record<string, string> {
  const values: Readonly<Record<string, unknown>> = { ...settings };
  const flags: Record<string, string> = {};
  for (const { flag, property } of optionsOf(settingsOf(inputOptions))) {
    const value = values[property];
    flags[flag] = typeof value === 'string' ? value : JSON.stringify(value ?? '');
  }
  return flags;
}

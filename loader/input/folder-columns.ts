// Columns in the names of folders, as Hive, Spark and others lay out tables (`--hive-columns`):
//
//     events/dt=2026-11-01/country=CH/part-0.parquet     dt: 2026-11-01, country: CH
//
// Characters that a path cannot have are written %XX. `__HIVE_DEFAULT_PARTITION__` stands for null.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { nameOf } from './inputs.ts';
import type { FoundInput } from './inputs.ts';

const NULL_VALUE = '__HIVE_DEFAULT_PARTITION__';

interface FolderColumns {
  readonly names: readonly string[];
  /** The inputs with their values. */
  readonly inputs: readonly FoundInput[];
}

/** Throws INPUT_INVALID for inputs without such folders, or with different ones. */
export function folderColumnsOf(inputs: readonly FoundInput[]): FolderColumns {
  const all = inputs.map((input) => columnsIn(input.path));
  const [first = []] = all;
  const names = first.map(([name]) => name);
  if (names.length === 0) {
    throw new SteleError(
      'INPUT_INVALID',
      `--hive-columns: no folder in the path of ${nameOf(inputs[0] ?? { path: '' })} is called column=value; leave the flag out.`,
    );
  }
  const withValues = inputs.map((input, at) => {
    const columns = all[at] ?? [];
    const isSame =
      columns.length === names.length && columns.every(([name], index) => name === names[index]);
    if (isSame) return { ...input, folderValues: columns.map(([, value]) => value) };
    const others = columns.map(([name]) => name).join(', ') || 'none';
    throw new SteleError(
      'INPUT_INVALID',
      `The folders of ${nameOf(input)} have other columns (${shorten(others, 100)}) than those of the first input (${shorten(names.join(', '), 100)}); load them one after the other.`,
    );
  });
  return { names, inputs: withValues };
}

function columnsIn(path: string): [name: string, value: string | null][] {
  const folders = path
    .replace(/^[a-z0-9]+:\/\/[^/]*/i, '')
    .split('/')
    .slice(0, -1);
  return folders.flatMap((folder): [string, string | null][] => {
    const at = folder.indexOf('=');
    if (at <= 0) return [];
    const value = folder.slice(at + 1);
    return [[unescaped(folder.slice(0, at)), value === NULL_VALUE ? null : unescaped(value)]];
  });
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that is only that.
    return text;
  }
}

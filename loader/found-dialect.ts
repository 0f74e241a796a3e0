// What was found out of the inputs, for people: `--dry-run` and `--sample` show it.

import type { Dialect } from './dialect.ts';
import type { InputFile } from './inputs.ts';

/** A dialect as it was found out, and how many inputs have it. */
export interface FoundDialect {
  readonly format: string;
  readonly files: number;
  readonly hasHeader: boolean;
  /** Empty for formats without columns. */
  readonly columns: readonly string[];
  /** The column's name; undefined where the format has none. */
  readonly key: string | undefined;
  /** The column's name, or `all others, as JSON`. */
  readonly value: string | undefined;
}

/** Of each dialect, in the order of the inputs. */
export function dialectsOf(inputs: readonly InputFile[]): FoundDialect[] {
  const found = new Map<string, { dialect: Dialect; files: number }>();
  for (const { dialect } of inputs) {
    const name = JSON.stringify(dialect);
    const known = found.get(name);
    if (known === undefined) found.set(name, { dialect, files: 1 });
    else known.files++;
  }
  return [...found.values()].map(({ dialect, files }) => describeDialect(dialect, files));
}

function describeDialect(dialect: Dialect, files: number): FoundDialect {
  const { columns, format, hasHeader, keyColumn, members, valueColumn } = dialect;
  const found = { format, files, hasHeader, columns };
  if (members !== undefined) {
    const key = members.key?.join('.') ?? 'key';
    const value = members.value?.join('.') ?? 'value, or all others';
    return { ...found, key, value };
  }
  const key = columns[keyColumn];
  const value = key === undefined ? undefined : (columns[valueColumn] ?? 'all others, as JSON');
  return { ...found, key, value };
}

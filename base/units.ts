// Sizes, durations and percentages as people write them: `16MiB`, `1.5GB`, `500ms`, `10s`, `20%`.

import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';

const BYTES_PER_UNIT = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1024],
  ['kib', 1024],
  ['kb', 1000],
  ['m', 1024 ** 2],
  ['mib', 1024 ** 2],
  ['mb', 1000 ** 2],
  ['g', 1024 ** 3],
  ['gib', 1024 ** 3],
  ['gb', 1000 ** 3],
  ['t', 1024 ** 4],
  ['tib', 1024 ** 4],
  ['tb', 1000 ** 4],
]);

const BINARY_UNITS = new Map([
  ['', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
]);

const MS_PER_UNIT = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `16MiB`, `1GB`, `4096` -> bytes (a whole number). */
export function parseBytes(text: string): number {
  return parseWithUnit(text, BYTES_PER_UNIT, 'a size', '4096, 64KiB, 16MiB or 1.5GB');
}

/**
 * `500ms`, `10s`, `2m`, `0` -> milliseconds. Only 0 needs no unit: another bare number is
 * ambiguous.
 */
export function parseDurationMs(text: string): number {
  const bare = text.trim();
  if (/^0+(?:[.]0+)?$/.test(bare)) return 0;
  if (/^[0-9]+(?:[.][0-9]+)?$/.test(bare)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `'${shorten(text)}' has no unit: write ${shorten(bare)}s for seconds, or use ms, m or h.`,
    );
  }
  return parseWithUnit(text, MS_PER_UNIT, 'a duration', '250ms, 10s, 2m or 1h');
}

/**
 * Formats milliseconds so that `parseDurationMs` reads them back exactly: `1500ms`, `90s`, `2h`.
 */
export function durationText(durationMs: number): string {
  return inLargestUnit(durationMs, MS_PER_UNIT);
}

/** Formats bytes so that `parseBytes` reads them back exactly: `1000`, `64KiB`, `3GiB`. */
export function bytesText(byteCount: number): string {
  return inLargestUnit(byteCount, BINARY_UNITS);
}

/** `units` in ascending order. */
function inLargestUnit(value: number, units: ReadonlyMap<string, number>): string {
  if (value === 0) return '0';
  const fitting = [...units].findLast(([, factor]) => value % factor === 0);
  return fitting === undefined ? String(value) : `${value / fitting[1]}${fitting[0]}`;
}

/** `20%`, `0.5%` -> a fraction (0.2, 0.005). The sign is required: a bare 20 is ambiguous. */
export function parsePercent(text: string): number {
  const match = /^([0-9]+(?:[.][0-9]+)?) ?%$/.exec(text.trim());
  // Division comes last: 7 / 100 is nearer to 7% than 0.01 * 7.
  if (match !== null) return Number(match[1]) / 100;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a percentage: write it like 20% or 0.5%.`,
  );
}

function parseWithUnit(
  text: string,
  units: ReadonlyMap<string, number>,
  what: string,
  examples: string,
): number {
  const match = /^([0-9]+(?:[.][0-9]+)?) ?([a-zA-Z]*)$/.exec(text.trim());
  const factor = units.get((match?.[2] ?? '?').toLowerCase());
  const value = Math.round(Number(match?.[1]) * (factor ?? Number.NaN));
  if (Number.isSafeInteger(value)) return value;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not ${what}: write it like ${examples}.`,
  );
}

/** Bytes for people: `512 B`, `1.5 MiB`. */
export function formatBytes(byteCount: number): string {
  let value = byteCount;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** Milliseconds for people: `350 ms`, `12.3 s`, `2m 05s`, `1h 02m`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${pad(Math.floor(seconds / 60) % 60)}m`;
}

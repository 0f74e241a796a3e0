// Numbers for people.

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** What stands where a number is not known. */
const UNKNOWN = '–';

/** `1234567` -> `1,234,567`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined
    ? UNKNOWN
    : Math.round(value).toLocaleString('en-US');
}

/** `1 shard`, `2 shards`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `1536` -> `1.5 KiB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  let unit = 0;
  let size = value;
  while (size >= 1024 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : Number(size.toPrecision(3))} ${BYTE_UNITS[unit]}`;
}

/** A rate with three digits: `0.5`, `12.3`, `4.56k`. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return value >= 100 ? count(value) : String(Number(value.toPrecision(3)));
}

/** `0.1234` -> `12.3%`. */
export function percent(ratio: number | null | undefined): string {
  return ratio === null || ratio === undefined
    ? UNKNOWN
    : `${Number((100 * ratio).toPrecision(3))}%`;
}

/** A latency: `0.09 ms`, `12 ms`, `1.2 s`. */
export function latency(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return UNKNOWN;
  return ms >= 1000 ? `${Number((ms / 1000).toPrecision(2))} s` : `${Number(ms.toPrecision(2))} ms`;
}

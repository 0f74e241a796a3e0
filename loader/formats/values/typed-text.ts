// Typed values of Parquet and Avro as text, exactly: every digit that the file has, and none that
// it has not.
//
//     decimal      -12.50             as many digits after the point as its scale
//     date         2026-11-01         before year 0 and after 9999 with a sign: +12026-01-01, -000044-03-15
//     time         12:34:56.123456    as many digits as its unit: 3, 6 or 9
//     timestamp    2026-11-01T12:34:56.123456Z     Z if it is an instant, nothing if it is a local time
//     float        the shortest text that reads back as the same number of its width

/** Digits after the second of a unit. */
export type FractionDigits = 3 | 6 | 9;

const DAY_SECONDS = 86_400;

export function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return `${unscaled}${unscaled === 0n ? '' : '0'.repeat(-scale)}`;
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The number of a decimal's bytes: two's complement, the highest byte first. */
export function bigEndianInteger(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`));
}

let lastDay = NaN;
let lastDayText = '';

/** `days` since 1970-01-01, in the calendar of ISO 8601. */
export function dateText(days: number): string {
  if (days === lastDay) return lastDayText;
  // Howard Hinnant, "chrono-compatible low-level date algorithms": years that begin in March.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  lastDay = days;
  lastDayText = `${yearText(year)}-${padded(month, 2)}-${padded(day, 2)}`;
  return lastDayText;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return padded(year, 4);
  return `${year < 0 ? '-' : '+'}${padded(Math.abs(year), 6)}`;
}

function padded(value: number, digits: number): string {
  return value.toString().padStart(digits, '0');
}

/** The time of day of `value` parts of a second after midnight. */
export function timeText(value: bigint, digits: FractionDigits): string {
  const perSecond = 10n ** BigInt(digits);
  const second = Number(value / perSecond);
  return `${clockText(second)}.${(value % perSecond).toString().padStart(digits, '0')}`;
}

function clockText(second: number): string {
  const hour = Math.floor(second / 3600);
  return `${padded(hour, 2)}:${padded(Math.floor(second / 60) % 60, 2)}:${padded(second % 60, 2)}`;
}

const PER_SECOND = { 3: 1000n, 6: 1_000_000n, 9: 1_000_000_000n } as const;

/** `value` parts of a second after 1970-01-01T00:00:00. */
export function timestampText(value: bigint, digits: FractionDigits, isInstant: boolean): string {
  const perSecond = PER_SECOND[digits];
  let seconds = value / perSecond;
  let fraction = value % perSecond;
  if (fraction < 0n) {
    fraction += perSecond;
    seconds -= 1n;
  }
  const all = Number(seconds);
  const days = Math.floor(all / DAY_SECONDS);
  const clock = clockText(all - days * DAY_SECONDS);
  const rest = fraction.toString().padStart(digits, '0');
  return `${dateText(days)}T${clock}.${rest}${isInstant ? 'Z' : ''}`;
}

/** The shortest text of a number of 64 bits. */
export function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** All integers up to this are numbers of 32 bits. */
const INTEGERS_MAX = 2 ** 24;
/** The smallest number of 32 bits that is not denormal. */
const NORMAL_MIN = 2 ** -126;

/** The shortest text of a number of 32 bits. */
export function floatText(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || (size < INTEGERS_MAX && Number.isInteger(value))) {
    return doubleText(value);
  }
  // Numbers with all their bits have six digits; those below have fewer.
  for (let digits = size < NORMAL_MIN ? 1 : 6; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

/** The number of 16 bits (IEEE 754 binary16), the lowest byte first. */
export function halfFloat(bytes: Uint8Array): number {
  const bits = ((bytes[1] ?? 0) << 8) | (bytes[0] ?? 0);
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * A duration of ISO 8601 of three numbers of 32 bits, the lowest byte first: months, days,
 * milliseconds.
 */
export function durationText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const millis = view.getUint32(8, true);
  const seconds = `${Math.floor(millis / 1000)}.${padded(millis % 1000, 3)}`;
  return `P${view.getUint32(0, true)}M${view.getUint32(4, true)}DT${seconds}S`;
}

/** A number of JSON, or a string for what JSON has no number for. */
export function jsonNumber(text: string): string {
  return text === 'NaN' || text.endsWith('Infinity') ? `"${text}"` : text;
}

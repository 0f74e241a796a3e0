// Classifies what a cell holds, and what a column holds over many rows, which decides whether a
// first row names the columns (has-header.ts). Letters are those of any script.
//
//     figures   12   -3,50   1.5e-7   50 %   2024-01-02   10:30   +49 30 123   [0.1, 0.2]   2 Jan 2024   -inf
//     flag      true   no
//     code      8a35eb59-62b3-481c-8875-1f248df4c952   0f343b0931126a20f133d67c2b018a3b
//     link      https://example.org/a   mailbox@example.org
//     json      {"a":1}
//     empty     nothing, or a word for no value or no number (NULL, N/A, -, unknown, inf)
//     text      everything else
//
// A word of the kind `empty` may be a value of any column, so over other kinds it is no evidence.
//
// Text has a shape: each letter becomes A or a by its case, each run of digits one 9. `SKU-12` is
// `AAA-9`.

export type CellKind = 'figures' | 'flag' | 'code' | 'link' | 'json' | 'empty' | 'text';

/** What one column holds in the sampled rows. */
export interface ColumnProfile {
  /** Cells that are not empty. */
  count: number;
  readonly kinds: Map<CellKind, number>;
  /** Shapes of its cells that are text or flags. */
  readonly shapes: Map<string, number>;
  /** The same cells without their digits. */
  readonly letters: Set<string>;
  /** All values, also the words of cells that are empty. */
  readonly values: Set<string>;
  /** Figures that could be years. */
  years: number;
}

const EMPTY_WORDS = [
  'na|n/a|n[.]a[.]|n/d|null|nil|none|nan|unknown|undefined|missing|unavailable|unspecified|unlimited|tbd|tba',
  'not (?:available|applicable|known|specified|set|a number)',
  // Between marks: (null), <NA>; of spreadsheets: #N/A, #DIV/0!, #NAME?
  '[(<](?:null|none|na|nan|nil|blank|empty|unknown)[)>]|#(?:n/a|div/0!|value!|ref!|name[?]|num!|null!)',
  // `inf` may be a name, next to `sup`; with a sign it is not.
  'inf|infinity|∞',
  '[-–—]+|[?]+|[.]+|[*]+|\\\\n',
].join('|');
const EMPTY = new RegExp(`^(?:${EMPTY_WORDS})?$`, 'iu');
const FLAG = /^(true|false|yes|no|on|off)$/iu;
const UUID = /^\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?$/iu;
const HEX = /^(?=.*\d)[0-9a-f]{16,}$/iu;
const LINK = /^(?:[a-z][a-z0-9+.-]*:\/\/\S+|[^\s@]+@[^\s@]+\.[^\s@]+)$/iu;
const JSON_TEXT = /^(?:\{.*\}|\[.*\])$/su;
const NUMBER = /^[-+]?[\d.,]*\d[\d.,]*e[-+]?\d+$|^0x[0-9a-f]+$|^[-+](?:inf|infinity|∞|nan)$/iu;
const MONTH = '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*';
const DATE = new RegExp(
  `^\\d{4}-\\d\\d-\\d\\d[T ][\\d:.,]+ ?(?:Z|UTC|[-+][\\d:]+)?$|^(?:[a-z]{3,9},? )?\\d{1,2}[- .]{1,2}${MONTH}[- ,.]{1,2}\\d{2,4}|^${MONTH} \\d{1,2},? \\d{4}|^\\d{1,2}(?::\\d\\d){1,2} ?[ap]m$`,
  'iu',
);
const SHAPE_CHARACTERS_MAX = 40;
const SHAPES_MAX = 8;
const VALUES_MAX = 5_000;

export function cellKind(cell: string): CellKind {
  const text = cell.trim();
  if (EMPTY.test(text)) return 'empty';
  if (/\p{Nd}/u.test(text) && !/\p{L}/u.test(text)) return 'figures';
  if (NUMBER.test(text) || DATE.test(text)) return 'figures';
  if (FLAG.test(text)) return 'flag';
  if (UUID.test(text) || HEX.test(text)) return 'code';
  if (LINK.test(text)) return 'link';
  return JSON_TEXT.test(text) ? 'json' : 'text';
}

export function shapeOf(cell: string): string {
  if (cell.length > SHAPE_CHARACTERS_MAX) return '';
  return cell
    .trim()
    .replaceAll(/\p{Nd}+/gu, '9')
    .replaceAll(/\p{Lu}/gu, 'A')
    .replaceAll(/\p{Ll}/gu, 'a');
}

/** The cell with each run of digits replaced by one 9. */
export function lettersOf(cell: string): string {
  return cell.trim().replaceAll(/\p{Nd}+/gu, '9');
}

export function isYear(cell: string): boolean {
  return /^(?:1[89]|20|21)\d\d$/.test(cell.trim());
}

export function newColumnProfile(): ColumnProfile {
  return {
    count: 0,
    kinds: new Map(),
    shapes: new Map(),
    letters: new Set(),
    values: new Set(),
    years: 0,
  };
}

export function addCell(profile: ColumnProfile, cell: string): void {
  const kind = cellKind(cell);
  if (cell.trim() !== '' && profile.values.size < VALUES_MAX) profile.values.add(cell);
  if (kind === 'empty') return;
  profile.count++;
  add(profile.kinds, kind);
  if (kind === 'figures' && isYear(cell)) profile.years++;
  // `NO` may be Norway: a flag counts as text where not all are flags.
  if (kind !== 'text' && kind !== 'flag') return;
  add(profile.shapes, shapeOf(cell));
  if (profile.letters.size < SHAPES_MAX) profile.letters.add(lettersOf(cell));
}

/** Shapes after the first few are counted together: the column then has no shape. */
function add<Name extends string>(counts: Map<Name, number>, name: Name): void {
  const key = counts.has(name) || counts.size < SHAPES_MAX ? name : ('' as Name);
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The name that has nearly all of the counts; undefined if none has. */
export function dominant<Name extends string>(
  counts: ReadonlyMap<Name, number>,
  total: number,
): Name | undefined {
  // A few odd cells are tolerated, but not among a handful of rows.
  const needed = total < 5 ? total : total - Math.max(1, Math.floor(total / 20));
  for (const [name, count] of counts) if (total > 0 && count >= needed) return name;
  return undefined;
}

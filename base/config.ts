// Settings: one schema per verb gives parsing, help text, validation and the TypeScript type.
//
// Sources, strongest first: flags, environment (STELE_ + the flag's name in capitals), stele.yaml,
// defaults. The result is frozen, and each value records its source (`stele config`).

import { addressList } from './address.ts';
import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';
import { durationText, formatBytes, parseBytes, parseDurationMs } from './units.ts';

type OptionKind =
  'text' | 'flag' | 'count' | 'port' | 'addresses' | 'bytes' | 'duration' | 'choice' | 'list';

interface OptionMeta {
  /** Name without dashes. Default: the property's name in kebab case. */
  readonly flag?: string;
  /** Placeholder of the value in the help text. */
  readonly placeholder?: string;
  readonly secret?: boolean;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** The default as a person would write it (`16MiB`), if that differs from the value. */
  readonly defaultText?: string;
  /** On the command line, `--x` and `--no-x` stand for these values, and take none. */
  readonly bare?: readonly [on: string, off: string];
  /** The value of `--x` without one. A value then needs the sign: `--x=VALUE`. */
  readonly bareValue?: string;
  /** Other names of the flag on the command line, not in the help text. */
  readonly aliases?: readonly string[];
}

/** One option, with the type of its value. */
export interface Option<Value> extends OptionMeta {
  readonly kind: OptionKind;
  readonly description: string;
  readonly defaultValue: Value;
}

/** Options by property name. */
export type OptionSet = Readonly<Record<string, Option<unknown>>>;

/** The options of a verb, in the order of its help text. */
export interface SettingsSchema<Options extends OptionSet = OptionSet> {
  readonly options: Options;
}

/** The typed values that a set of options resolves to. */
export type SettingsOf<Options extends OptionSet> = {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer Value> ? Value : never;
};

/** The typed values of a schema: `SettingsValues<typeof datanodeSettings>`. */
export type SettingsValues<Schema> =
  Schema extends SettingsSchema<infer Options> ? SettingsOf<Options> : never;

/** A schema with these options, in this order. */
export function settingsOf<Options extends OptionSet>(options: Options): SettingsSchema<Options> {
  return { options };
}

/** A schema with the options of both. The second one's options win. */
export function joinSettings<A extends OptionSet, B extends OptionSet>(
  first: SettingsSchema<A>,
  second: SettingsSchema<B>,
): SettingsSchema<A & B> {
  return settingsOf({ ...first.options, ...second.options });
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Constructors of options, one per type of value. */
export const option = {
  text: (description: string, defaultValue: string, more: OptionMeta = {}): Option<string> => ({
    kind: 'text',
    description,
    defaultValue,
    ...more,
  }),
  optionalText: (description: string, more: OptionMeta = {}): Option<string | undefined> => ({
    kind: 'text',
    description,
    defaultValue: undefined,
    ...more,
  }),
  flag: (description: string, defaultValue = false, more: OptionMeta = {}): Option<boolean> => ({
    kind: 'flag',
    description,
    defaultValue,
    ...more,
  }),
  count: (
    description: string,
    defaultValue: number,
    bounds: Bounds,
    more: OptionMeta = {},
  ): Option<number> => ({ kind: 'count', description, defaultValue, ...bounds, ...more }),
  port: (description: string, defaultValue: number, more: OptionMeta = {}): Option<number> => ({
    kind: 'port',
    description,
    defaultValue,
    min: 0,
    max: 65_535,
    ...more,
  }),
  /** Addresses of other processes, `HOST:PORT[,HOST:PORT]...`. The value is the text as given. */
  addresses: (
    description: string,
    defaultValue: string,
    more: OptionMeta = {},
  ): Option<string> => ({
    kind: 'addresses',
    description,
    defaultValue,
    ...more,
  }),
  /** A size such as `16MiB`. The value is in bytes. */
  bytes: (
    description: string,
    defaultText: string,
    bounds: Bounds,
    more: OptionMeta = {},
  ): Option<number> => ({
    kind: 'bytes',
    description,
    defaultValue: parseBytes(defaultText),
    defaultText,
    ...bounds,
    ...more,
  }),
  /** A size that may be absent. */
  optionalBytes: (
    description: string,
    bounds: Bounds,
    more: OptionMeta = {},
  ): Option<number | undefined> => ({
    kind: 'bytes',
    description,
    defaultValue: undefined,
    ...bounds,
    ...more,
  }),
  /** A duration such as `10s`. The value is in milliseconds; a number is taken as milliseconds. */
  duration: (
    description: string,
    defaultText: string,
    bounds: Bounds,
    more: OptionMeta = {},
  ): Option<number> => ({
    kind: 'duration',
    description,
    defaultValue: parseDurationMs(defaultText),
    defaultText,
    ...bounds,
    ...more,
  }),
  /** A duration that may be absent. */
  optionalDuration: (
    description: string,
    bounds: Bounds,
    more: OptionMeta = {},
  ): Option<number | undefined> => ({
    kind: 'duration',
    description,
    defaultValue: undefined,
    ...bounds,
    ...more,
  }),
  choice: <const Choices extends readonly string[]>(
    description: string,
    choices: Choices,
    defaultValue: Choices[number],
    more: OptionMeta = {},
  ): Option<Choices[number]> => ({ kind: 'choice', description, choices, defaultValue, ...more }),
  /** A choice that may be absent. */
  optionalChoice: <const Choices extends readonly string[]>(
    description: string,
    choices: Choices,
    more: OptionMeta = {},
  ): Option<Choices[number] | undefined> => ({
    kind: 'choice',
    description,
    choices,
    defaultValue: undefined,
    ...more,
  }),
  /**
   * May be given several times. In the environment and within one flag, commas separate the items.
   */
  list: (description: string, more: OptionMeta = {}): Option<string[]> => ({
    kind: 'list',
    description,
    defaultValue: [],
    ...more,
  }),
};

/** An option in the form that the command line and `stele config` need. */
export interface OptionInfo extends Option<unknown> {
  readonly property: string;
  readonly flag: string;
  readonly environment: string;
}

export type SettingSource = 'flag' | 'environment' | 'file' | 'default';

export interface ResolvedSettings<T> {
  readonly values: Readonly<T>;
  readonly sources: ReadonlyMap<string, SettingSource>;
}

export interface SettingInputs {
  /** Command-line flags by property name, as text or already typed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The parsed stele.yaml, by flag name. */
  readonly file: Readonly<Record<string, unknown>>;
}

/** The options of a schema, in order. */
export function optionsOf(schema: SettingsSchema): OptionInfo[] {
  return Object.entries(schema.options).map(([property, of]) => {
    const flag = of.flag ?? property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const environment = `STELE_${flag.toUpperCase().replaceAll('-', '_')}`;
    return { ...of, property, flag, environment };
  });
}

/**
 * Merges the sources and checks every value. Throws INVALID_ARGUMENT that names the option and the
 * source of its value.
 */
export function resolveSettings<Options extends OptionSet>(
  schema: SettingsSchema<Options>,
  inputs: SettingInputs,
): ResolvedSettings<SettingsOf<Options>> {
  const values: Record<string, unknown> = {};
  const sources = new Map<string, SettingSource>();
  for (const info of optionsOf(schema)) {
    const [raw, source] = pick(info, inputs);
    sources.set(info.property, source);
    const value = source === 'default' ? raw : parseOption(info, raw, source);
    values[info.property] = value;
  }
  return {
    values: Object.freeze(values) as SettingsOf<Options>,
    sources,
  };
}

function pick(info: OptionInfo, inputs: SettingInputs): [unknown, SettingSource] {
  const flag = inputs.flags[info.property];
  if (flag !== undefined) return [flag, 'flag'];
  const environment = inputs.environment[info.environment];
  if (environment !== undefined && environment !== '') return [environment, 'environment'];
  const file = Object.hasOwn(inputs.file, info.flag) ? inputs.file[info.flag] : undefined;
  if (file !== undefined && file !== null) return [file, 'file'];
  return [info.defaultValue, 'default'];
}

function parseOption(info: OptionInfo, raw: unknown, source: SettingSource): unknown {
  try {
    return checkBounds(info, parseKind(info, raw));
  } catch (thrown) {
    const name =
      source === 'environment'
        ? info.environment
        : source === 'file'
          ? info.flag
          : `--${info.flag}`;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SteleError('INVALID_ARGUMENT', `${name}: ${reason}`, { cause: thrown });
  }
}

function parseKind(info: OptionInfo, raw: unknown): unknown {
  switch (info.kind) {
    case 'text':
      return String(raw);
    case 'flag':
      return parseFlag(raw);
    case 'count':
    case 'port':
      return parseInteger(raw);
    case 'addresses':
      return addressList(String(raw)).join(',');
    case 'bytes':
      return typeof raw === 'number' ? raw : parseBytes(String(raw));
    case 'duration':
      return typeof raw === 'number' ? raw : parseDurationMs(String(raw));
    case 'choice':
      return parseChoice(String(raw), info.choices ?? []);
    case 'list':
      return Array.isArray(raw) ? raw.map(String) : String(raw).split(',');
  }
}

function parseFlag(raw: unknown): boolean {
  if (typeof raw === 'boolean') return raw;
  const text = String(raw).toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(text)) return true;
  if (['false', '0', 'no', 'off'].includes(text)) return false;
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is neither true nor false.`);
}

function parseInteger(raw: unknown): number {
  const text = String(raw).trim();
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is not a whole number.`);
}

function parseChoice(text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not known; use one of ${choices.join(', ')}.`,
  );
}

const TEXTS: Partial<Record<OptionKind, (value: number) => string>> = {
  bytes: formatBytes,
  duration: durationText,
};

function checkBounds(info: OptionInfo, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = info;
  if (value >= min && value <= max) return value;
  const text = TEXTS[info.kind] ?? String;
  const allowed = max === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${text(max)}`;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${text(value)} is out of range; use ${text(min)} ${allowed}.`,
  );
}

/** The keys of stele.yaml that no verb has, and those that there are. */
export function unknownFileKeys(
  file: Readonly<Record<string, unknown>>,
  schemas: readonly SettingsSchema[],
): { readonly known: ReadonlySet<string>; readonly unknown: readonly string[] } {
  const known = new Set(schemas.flatMap((schema) => optionsOf(schema).map((info) => info.flag)));
  return { known, unknown: Object.keys(file).filter((key) => !known.has(key)) };
}

/** Refuses a stele.yaml key that no verb has. */
export function checkFileKeys(
  file: Readonly<Record<string, unknown>>,
  schemas: readonly SettingsSchema[],
): void {
  const [key] = unknownFileKeys(file, schemas).unknown;
  if (key === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `The configuration file has an unknown key '${shorten(key)}'; \`stele config\` lists the known ones.`,
  );
}

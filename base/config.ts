// Settings: one schema per verb gives parsing, help text, validation and the TypeScript type.
//
// Sources, strongest first: flags, environment (STELE_ + the flag's name in capitals), stele.yaml,
// defaults. What comes out is frozen, and each value knows where it came from (`stele config`).

import { Type } from 'typebox';
import type { Static, TObject, TProperties, TSchema } from 'typebox';
import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';
import { parseBytes, parseDurationMs } from './units.ts';

type OptionKind = 'text' | 'flag' | 'count' | 'port' | 'bytes' | 'duration' | 'choice' | 'list';

interface OptionMeta {
  readonly kind: OptionKind;
  /** Without the dashes; default: the property's name in kebab case. */
  readonly flag?: string;
  /** What stands for the value in the help text. */
  readonly placeholder?: string;
  readonly secret?: boolean;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** The default as a person would write it (`16MiB`), where it differs from the value. */
  readonly defaultText?: string;
}

const META = 'x-stele';

function meta(of: OptionMeta): Record<string, OptionMeta> {
  return { [META]: of };
}

/** Constructors of options: each returns a typebox schema that carries how it is written. */
export const option = {
  text: (description: string, defaultValue: string, more: Partial<OptionMeta> = {}) =>
    Type.String({ description, default: defaultValue, ...meta({ kind: 'text', ...more }) }),
  optionalText: (description: string, more: Partial<OptionMeta> = {}) =>
    Type.Optional(Type.String({ description, ...meta({ kind: 'text', ...more }) })),
  flag: (description: string, defaultValue = false, more: Partial<OptionMeta> = {}) =>
    Type.Boolean({ description, default: defaultValue, ...meta({ kind: 'flag', ...more }) }),
  count: (
    description: string,
    defaultValue: number,
    bounds: { min: number; max: number },
    more: Partial<OptionMeta> = {},
  ) =>
    Type.Integer({
      description,
      default: defaultValue,
      ...meta({ kind: 'count', ...bounds, ...more }),
    }),
  port: (description: string, defaultValue: number, more: Partial<OptionMeta> = {}) =>
    Type.Integer({
      description,
      default: defaultValue,
      ...meta({ kind: 'port', min: 0, max: 65_535, ...more }),
    }),
  /** A size such as `16MiB`; the value is in bytes. */
  bytes: (
    description: string,
    defaultText: string,
    bounds: { min: number; max: number },
    more: Partial<OptionMeta> = {},
  ) =>
    Type.Integer({
      description,
      default: parseBytes(defaultText),
      ...meta({ kind: 'bytes', defaultText, ...bounds, ...more }),
    }),
  /** A duration such as `10s`; the value is in milliseconds. */
  duration: (
    description: string,
    defaultText: string,
    bounds: { min: number; max: number },
    more: Partial<OptionMeta> = {},
  ) =>
    Type.Integer({
      description,
      default: parseDurationMs(defaultText),
      ...meta({ kind: 'duration', defaultText, ...bounds, ...more }),
    }),
  choice: <const Choices extends readonly string[]>(
    description: string,
    choices: Choices,
    defaultValue: Choices[number],
    more: Partial<OptionMeta> = {},
  ) =>
    Type.Unsafe<Choices[number]>({
      type: 'string',
      enum: [...choices],
      description,
      default: defaultValue,
      ...meta({ kind: 'choice', choices, ...more }),
    }),
  /** May be given several times; in the environment and in one flag, separated by commas. */
  list: (description: string, more: Partial<OptionMeta> = {}) =>
    Type.Array(Type.String(), { description, default: [], ...meta({ kind: 'list', ...more }) }),
};

/** An option as the command line and `stele config` need it. */
export interface OptionInfo extends OptionMeta {
  readonly property: string;
  readonly flag: string;
  readonly environment: string;
  readonly description: string;
  readonly defaultValue: unknown;
}

export type SettingSource = 'flag' | 'environment' | 'file' | 'default';

export interface ResolvedSettings<T> {
  readonly values: Readonly<T>;
  readonly sources: ReadonlyMap<string, SettingSource>;
}

export interface SettingInputs {
  /** By property name; only what was given on the command line. Text, or already typed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The parsed stele.yaml, by flag name. */
  readonly file: Readonly<Record<string, unknown>>;
}

/** The options of a schema, in order. */
export function optionsOf(schema: TObject): OptionInfo[] {
  return Object.entries(schema.properties).map(([property, definition]) =>
    optionInfo(property, definition),
  );
}

function optionInfo(property: string, definition: TSchema): OptionInfo {
  const fields = definition as unknown as Record<string, unknown>;
  const of = fields[META] as OptionMeta | undefined;
  if (of === undefined) throw new SteleError('INTERNAL', `Option ${property} has no metadata.`);
  const flag = of.flag ?? property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return {
    ...of,
    property,
    flag,
    environment: `STELE_${flag.toUpperCase().replaceAll('-', '_')}`,
    description: typeof fields['description'] === 'string' ? fields['description'] : '',
    defaultValue: fields['default'],
  };
}

/**
 * Puts the sources together and checks every value. Throws INVALID_ARGUMENT that names the option
 * and the source it came from.
 */
export function resolveSettings<Properties extends TProperties>(
  schema: TObject<Properties>,
  inputs: SettingInputs,
): ResolvedSettings<Static<TObject<Properties>>> {
  const values: Record<string, unknown> = {};
  const sources = new Map<string, SettingSource>();
  for (const info of optionsOf(schema)) {
    const [raw, source] = pick(info, inputs);
    sources.set(info.property, source);
    const value = source === 'default' ? raw : parseOption(info, raw, source);
    if (value !== undefined) values[info.property] = value;
  }
  return {
    values: Object.freeze(values) as Static<TObject<Properties>>,
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

function checkBounds(info: OptionInfo, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = info;
  if (value >= min && value <= max) return value;
  throw new SteleError('INVALID_ARGUMENT', `${value} is out of range; use ${min} to ${max}.`);
}

/** Refuses a stele.yaml key that no verb knows, with the nearest known one. */
export function checkFileKeys(
  file: Readonly<Record<string, unknown>>,
  schemas: readonly TObject[],
): void {
  const known = new Set(schemas.flatMap((schema) => optionsOf(schema).map((info) => info.flag)));
  for (const key of Object.keys(file)) {
    if (known.has(key)) continue;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The configuration file has an unknown key '${shorten(key)}'; \`stele config\` lists the known ones.`,
    );
  }
}

// Maps a settings schema to commander: each option of a schema becomes a flag with its help text,
// and the values from the command line come back by property name, unparsed (resolveSettings parses
// them).
//
//   flag, default false   --x           (and --no-x, unlisted, to override the environment)
//   flag, default true    --no-x        (and --x, unlisted)
//   flag called no-x      --no-x        the property is true when it is given
//   list                  --x a --x b
//   choice with `bare`    --x, and unlisted --no-x: one value each
//   with `bareValue`      --x, or --x=VALUE

import { Option } from 'commander';
import type { Command } from 'commander';
import type { OptionInfo } from '../base/config.ts';

const NO = 'no-';

/** Adds the options to `command`, in order. `short` has the one-letter forms by property name. */
export function addOptions(
  command: Command,
  infos: readonly OptionInfo[],
  short: Readonly<Record<string, string>> = {},
): void {
  for (const info of infos) {
    for (const option of optionsFor(info, short[info.property])) command.addOption(option);
  }
}

/** An option as a person reads of it. */
export interface ListedOption {
  /** `-o, --output <table|json>` */
  readonly flags: string;
  readonly description: string;
  readonly environment: string;
}

/** The options that the help text lists, in order. */
export function listedOptions(
  infos: readonly OptionInfo[],
  short: Readonly<Record<string, string>> = {},
): ListedOption[] {
  return infos.flatMap((info) =>
    optionsFor(info, short[info.property])
      .filter(({ hidden }) => !hidden)
      .map(({ description, flags }) => ({ flags, description, environment: info.environment })),
  );
}

function optionsFor(info: OptionInfo, letter: string | undefined): Option[] {
  const start = letter === undefined ? '' : `-${letter}, `;
  if (info.bare !== undefined) {
    const off = new Option(`--${NO}${info.flag}`, info.description).hideHelp();
    return [new Option(`${start}--${info.flag}`, info.description), off];
  }
  if (info.kind !== 'flag') return [valueOption(info, start), ...aliasOptions(info)];
  if (info.flag.startsWith(NO)) return [new Option(`--${info.flag}`, info.description)];
  const positive = new Option(`${start}--${info.flag}`, info.description);
  const negative = new Option(`--${NO}${info.flag}`, info.description);
  (info.defaultValue === true ? positive : negative).hideHelp();
  return [positive, negative];
}

function valueOption(info: OptionInfo, start: string): Option {
  const placeholder = info.placeholder ?? placeholderOf(info);
  const shown = info.bareValue === undefined ? `<${placeholder}>` : `[${placeholder}]`;
  const option = new Option(`${start}--${info.flag} ${shown}`, describe(info));
  if (info.kind === 'list') {
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  }
  return option;
}

function aliasOptions({ aliases = [], description }: OptionInfo): Option[] {
  return aliases.map((alias) => new Option(`--${alias} <text>`, description).hideHelp());
}

function placeholderOf(info: OptionInfo): string {
  switch (info.kind) {
    case 'choice':
      return (info.choices ?? []).join('|');
    case 'count':
      return 'n';
    case 'bytes':
      return 'size';
    case 'duration':
      return 'time';
    case 'port':
      return 'port';
    case 'addresses':
      return 'host:port,...';
    case 'text':
    case 'list':
    case 'flag':
      return 'text';
  }
}

function describe(info: OptionInfo): string {
  const text = info.bareValue ?? info.defaultText ?? defaultTextOf(info.defaultValue);
  return text === '' ? info.description : `${info.description} (default: ${text})`;
}

function defaultTextOf(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : '';
}

/**
 * `words` with the value of each flag that was given without one. Otherwise the word after it would
 * be taken for its value: `--watch prices`.
 */
export function withBareValues(
  words: readonly string[],
  infos: readonly OptionInfo[],
  short: Readonly<Record<string, string>> = {},
): string[] {
  const full = new Map<string, string>();
  for (const { bareValue, flag, property } of infos) {
    if (bareValue === undefined) continue;
    const given = `--${flag}=${bareValue}`;
    full.set(`--${flag}`, given);
    if (short[property] !== undefined) full.set(`-${short[property]}`, given);
  }
  const end = words.indexOf('--');
  return words.map((word, at) => (end === -1 || at < end ? (full.get(word) ?? word) : word));
}

/** The values from the command line, by property name. */
export function givenFlags(
  command: Command,
  infos: readonly OptionInfo[],
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const info of infos) {
    const negated = info.kind === 'flag' && info.flag.startsWith(NO);
    for (const name of [...(info.aliases ?? []), info.flag]) {
      const attribute = new Option(`--${name}`).attributeName();
      if (command.getOptionValueSource(attribute) !== 'cli') continue;
      const value: unknown = command.getOptionValue(attribute);
      if (info.bare === undefined) given[info.property] = negated ? value === false : value;
      else given[info.property] = info.bare[value === true ? 0 : 1];
    }
  }
  return given;
}

// What a reader should know of each verb, from the same definitions as `--help`: the source of the
// man pages and of docs/cli.md.

import { optionsOf } from '../../base/config.ts';
import { globalOptionsBeside, globalSettings, shortNames } from '../global-options.ts';
import { listedOptions } from '../options.ts';
import type { ListedOption } from '../options.ts';
import { VERBS } from '../verbs.ts';

export interface VerbPage {
  readonly name: string;
  readonly summary: string;
  /** As in `--help`; empty for none. */
  readonly operands: string;
  /** What its operand `action` takes. */
  readonly actions: readonly string[];
  /** Its own options. */
  readonly options: readonly ListedOption[];
  /** The options that every verb has. */
  readonly global: readonly ListedOption[];
  readonly examples: readonly string[];
}

/** One page a verb, in the order of `stele --help`. */
export function verbPages(): Promise<VerbPage[]> {
  return Promise.all(
    [...VERBS].map(async ([name, entry]) => {
      const verb = await entry.load();
      const { actions = [], examples, operands, schema } = verb;
      return {
        name,
        summary: entry.summary,
        operands,
        actions,
        options: listedOptions(optionsOf(schema), shortNames(verb)),
        global: listedOptions(globalOptionsBeside(verb)),
        examples,
      };
    }),
  );
}

/** The options that stand before a verb. */
export function globalOptions(): ListedOption[] {
  return listedOptions(optionsOf(globalSettings('warn')));
}

export const EXIT_STATUS: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'wrong usage, or input that needs a flag to be understood'],
  ['3', 'a gate refused the version'],
  ['4', 'not reachable, or not ready'],
  ['5', 'not allowed, or not logged in'],
  ['129, 130, 143', 'ended by SIGHUP, SIGINT or SIGTERM'],
];

export const SETTINGS_TEXT =
  'Every option is also an environment variable (STELE_ and its name in capitals, with _ for -) and a line of stele.yaml (its name without dashes). Flags win over the environment, the environment over the file, the file over defaults; `stele config` shows what is in force.';

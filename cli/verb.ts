// The definition of a verb: operands, options (a settings schema), examples, and `run`.
//
// A verb's module is small: it holds the schema and loads what it needs in `run`, because help,
// `stele config` and the check of stele.yaml load every verb.

import type { OptionSet, ResolvedSettings, SettingsOf, SettingsSchema } from '../base/config.ts';
import type { LogFormat, LogLevel } from '../base/log.ts';
import type { Output } from './output.ts';

/** What every verb gets in addition to its own settings. */
export interface GlobalSettings {
  /** The stele.yaml in force; undefined if there is none. */
  readonly configPath: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** The variables that settings may come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For verbs that need the settings of all verbs. */
  readonly loadAllVerbs: () => Promise<Verb[]>;
  /** The verbs that are listed, by name. */
  readonly verbs: ReadonlyMap<string, VerbEntry>;
}

interface VerbCall<Properties extends OptionSet> {
  readonly operands: readonly string[];
  readonly settings: ResolvedSettings<SettingsOf<Properties>>;
  readonly global: GlobalSettings;
  readonly output: Output;
}

/** A verb in the table of all verbs, which loads it only when it is needed. */
export interface VerbEntry {
  /** One line, for the list of verbs and the verb's description. */
  readonly summary: string;
  /** Runs at low priority, because readers on the same machine come first. */
  readonly lowersPriority: boolean;
  load(): Promise<Verb>;
}

export interface VerbDefinition<Properties extends OptionSet> {
  readonly name: string;
  /** In commander's notation: `<keyspace> <path...>`; empty for none. */
  readonly operands: string;
  /** The words that its operand `action` takes. */
  readonly actions?: readonly string[];
  readonly schema: SettingsSchema<Properties>;
  /** One-letter forms by property name. */
  readonly short?: Readonly<Record<string, string>>;
  readonly examples: readonly string[];
  readonly logLevel?: LogLevel;
  /** The verb runs until it is stopped, and a failure to write to stdout does not end it. */
  readonly stdoutIsLog?: boolean;
  /** Unknown keys of stele.yaml are among what the verb reports, and do not stop it. */
  readonly judgesFile?: boolean;
  /** Everything after the first operand is an operand, even with dashes. */
  readonly passThrough?: boolean;
  /** Returns the exit code. Throws SteleError. */
  run(call: VerbCall<Properties>): Promise<number>;
}

/** A verb without the types of its settings. */
export type Verb = VerbDefinition<OptionSet>;

/** Checks a definition against its own schema, then drops the types of its settings. */
export function defineVerb<Properties extends OptionSet>(
  definition: VerbDefinition<Properties>,
): Verb {
  return definition;
}

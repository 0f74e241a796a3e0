// What a verb of the command line is: operands, options (a settings schema), examples, and `run`.
//
// A verb's module is light: it holds the schema and loads what it needs in `run`, because help,
// `stele config` and the check of stele.yaml load every verb.

import type { OptionSet, ResolvedSettings, SettingsOf, SettingsSchema } from '../base/config.ts';
import type { LogFormat, LogLevel } from '../base/log.ts';
import type { Output } from './output.ts';

/** What every verb is told beside its own settings. */
export interface GlobalSettings {
  /** The stele.yaml in force; undefined when there is none. */
  readonly configPath: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** The variables that settings may come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For what concerns the settings of all verbs. */
  readonly loadAllVerbs: () => Promise<Verb[]>;
}

interface VerbCall<Properties extends OptionSet> {
  readonly operands: readonly string[];
  readonly settings: ResolvedSettings<SettingsOf<Properties>>;
  readonly global: GlobalSettings;
  readonly output: Output;
}

export interface VerbDefinition<Properties extends OptionSet> {
  readonly name: string;
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** In commander's notation: `<keyspace> <path...>`; empty for none. */
  readonly operands: string;
  readonly schema: SettingsSchema<Properties>;
  /** One-letter forms by property name. */
  readonly short?: Readonly<Record<string, string>>;
  readonly examples: readonly string[];
  readonly logLevel?: LogLevel;
  /** It runs until it is stopped: that nobody can read what it says on stdout does not end it. */
  readonly stdoutIsLog?: boolean;
  /** Everything after the first operand belongs to the operands, dashes and all. */
  readonly passThrough?: boolean;
  /** Returns the exit code. Throws SteleError. */
  run(call: VerbCall<Properties>): Promise<number>;
}

/** A verb whose settings' types are known to itself alone. */
export type Verb = VerbDefinition<OptionSet>;

/** Checks a definition against its own schema, then forgets the types of its settings. */
export function defineVerb<Properties extends OptionSet>(
  definition: VerbDefinition<Properties>,
): Verb {
  return definition;
}

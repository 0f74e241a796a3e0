// The options that every verb has besides its own.

import { option, optionsOf, settingsOf } from '../base/config.ts';
import type { OptionInfo } from '../base/config.ts';
import type { LogLevel } from '../base/log.ts';
import type { Verb } from './verb.ts';

// Repeated here because base/log.ts imports the logger, which most verbs never load.
const LOG_LEVELS = [
  'fatal',
  'error',
  'warn',
  'info',
  'debug',
  'trace',
  'silent',
] as const satisfies readonly LogLevel[];

/** The options that every verb has; the default log level differs by verb. */
export function globalSettings(logLevel: LogLevel) {
  return settingsOf({
    config: option.optionalText('the settings file (default: stele.yaml, if there is one)', {
      placeholder: 'file',
    }),
    logLevel: option.choice('what is logged, to stderr', LOG_LEVELS, logLevel, {
      placeholder: 'level',
    }),
    logFormat: option.choice(
      'auto: text on a terminal, otherwise JSON',
      ['auto', 'json', 'text'],
      'auto',
    ),
  });
}

/** The one-letter flags of a verb, by property name. */
export function shortNames(verb: Verb): Readonly<Record<string, string>> {
  return { output: 'o', watch: 'w', ...verb.short };
}

/** The global options, except for those that the verb has itself. */
export function globalOptionsBeside(verb: Verb): OptionInfo[] {
  const own = new Set(optionsOf(verb.schema).map((info) => info.flag));
  const global = optionsOf(globalSettings(verb.logLevel ?? 'warn'));
  return global.filter((info) => !own.has(info.flag));
}

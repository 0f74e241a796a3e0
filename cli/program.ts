// The command line as a whole: finds the verb, loads only that, parses its flags, resolves its
// settings from all sources, runs it, and maps the outcome to an exit code.
//
// commander knows the names of all verbs (for help and suggestions) but the options of only one:
// loading every verb would take longer than most verbs run.

import { Command, CommanderError } from 'commander';
import { STELE_VERSION } from '../base/process/build-version.ts';
import { checkFileKeys, optionsOf, resolveSettings } from '../base/config.ts';
import type { OptionSet, SettingsSchema } from '../base/config.ts';
import { SteleError } from '../base/errors.ts';
import { lowerPriority } from '../base/process/low-priority.ts';
import { shorten } from '../base/ids.ts';
import { flushSpans, openTracing } from '../base/process/tracing.ts';
import { errorJson, EXIT_OK, EXIT_USAGE, reportError, reportNotice } from './exit.ts';
import { globalOptionsBeside, globalSettings, shortNames } from './global-options.ts';
import { addOptions, givenFlags, withBareValues } from './options.ts';
import type { Output } from './output.ts';
import { readSettingsFile, serviceLinks, settingsEnvironment } from './settings-sources.ts';
import type { SettingsFile } from './settings-sources.ts';
import { nearSuggestions } from './suggestions.ts';
import type { Verb } from './verb.ts';
import { HIDDEN_VERBS, loadAllVerbs, VERBS } from './verbs.ts';

/** Runs one command line (without `node` and the script); returns the exit code, never throws. */
export async function runCommandLine(
  words: readonly string[],
  output: Output,
  environment: Readonly<NodeJS.ProcessEnv>,
): Promise<number> {
  const asJson = wantsJson(words, environment);
  try {
    const word = chosenWord(words) ?? '';
    const entry = VERBS.get(word) ?? HIDDEN_VERBS.get(word);
    // Set before the rest is loaded, because threads and processes inherit it.
    if (entry?.lowersPriority === true) lowerPriority();
    const verb = await entry?.load();
    const program = buildProgram(verb, output, asJson);
    if (words.length === 0) {
      output.line(program.helpInformation().trimEnd());
      return EXIT_USAGE;
    }
    refuseUnknownTopic(words);
    await program.parseAsync(parsedWords(words, verb), { from: 'user' });
    const command = program.commands.find((one) => one.name() === verb?.name);
    if (verb === undefined || command === undefined) return EXIT_OK;
    return await runVerb(verb, command, output, environment, asJson);
  } catch (thrown) {
    // commander has already written its sentence; help and --version also end here, with code 0.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return reportError(output, thrown, environment, asJson);
  }
}

/** Throws for `stele help nosuch`, for which commander would print the general help. */
function refuseUnknownTopic(words: readonly string[]): void {
  const [first, topic] = words;
  if (first !== 'help' || topic === undefined || topic.startsWith('-') || VERBS.has(topic)) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `There is no verb '${shorten(topic)}'; \`stele --help\` lists all verbs.`,
  );
}

/**
 * Writes out the flags that were given without their value, and removes --help from `stele nosuch
 * --help`, for which commander would print the general help.
 */
function parsedWords(words: readonly string[], verb: Verb | undefined): string[] {
  if (verb !== undefined) {
    return withBareValues(words, optionsOf(verb.schema), shortNames(verb));
  }
  const chosen = chosenWord(words);
  const isStranger = chosen !== undefined && !VERBS.has(chosen);
  const asksHelp = words.some((word) => word === '--help' || word === '-h');
  return isStranger && asksHelp ? [chosen] : [...words];
}

/** The name of the verb: the first word that is neither a global option nor `help`. */
function chosenWord(words: readonly string[]): string | undefined {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (['--config', '--log-level', '--log-format'].includes(word)) at++;
    else if (word !== 'help' && !word.startsWith('-')) return word;
  }
  return undefined;
}

function buildProgram(chosen: Verb | undefined, output: Output, asJson: boolean): Command {
  const program = new Command('stele')
    .description('A replicated key-value store for immutable, bulk-loaded data.')
    .version(STELE_VERSION, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'explain stele, or the verb before it')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => output.errorWrite(text),
      outputError: (text, write) => write(usageError(text, chosen, asJson)),
    });
  addOptions(program, optionsOf(globalSettings('warn')));
  const hidden = chosen !== undefined && HIDDEN_VERBS.has(chosen.name) ? HIDDEN_VERBS : [];
  for (const [name, entry] of [...VERBS, ...hidden]) {
    const command = program.command(name).description(entry.summary);
    // `stele cli -h HOST` is the syntax of redis-cli.
    command.helpOption(name === 'cli' ? '--help' : '-h, --help', 'explain this verb');
    // The verb runs after parsing; the action only makes commander check the operands.
    command.action(() => undefined);
    if (chosen?.name === name) defineCommand(command, chosen);
  }
  program.addHelpText('after', ROOT_HELP);
  return program;
}

const ROOT_HELP = `
Every option is also an environment variable (--data-dir: STELE_DATA_DIR) and a line of stele.yaml.

Examples:
  stele up --load example=data/example.data
  stele load prices prices.csv --key sku
  stele cli -k example GET some-key
  stele status --wait green`;

function defineCommand(command: Command, verb: Verb): void {
  command.exitOverride();
  if (verb.operands !== '') command.arguments(verb.operands);
  if (verb.passThrough === true) command.passThroughOptions();
  addOptions(command, optionsOf(verb.schema), shortNames(verb));
  addOptions(command, globalOptionsBeside(verb));
  command.addHelpText('after', `\nExamples:\n${verb.examples.map((one) => `  ${one}`).join('\n')}`);
}

/**
 * Turns commander's `error: ...` into one sentence with the next step, or into an error in JSON.
 */
function usageError(text: string, chosen: Verb | undefined, asJson: boolean): string {
  const oneLine = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ');
  const sentence = nearSuggestions(oneLine).replace(/[.]$/, '');
  const help = chosen === undefined ? 'stele --help' : `stele ${chosen.name} --help`;
  const whole = `${sentence}; \`${help}\` lists what there is.`;
  return asJson ? `${errorJson('INVALID_ARGUMENT', whole)}\n` : `stele: ${whole}\n`;
}

/**
 * Whether errors must be JSON: looks for `-o json` in any of its forms before anything is parsed,
 * because parsing itself may fail.
 */
function wantsJson(words: readonly string[], environment: Readonly<NodeJS.ProcessEnv>): boolean {
  const given = words.findLastIndex((word) => /^(?:-o|--output)(?:=|$)|^-ojson$/.test(word));
  if (given === -1) return environment['STELE_OUTPUT'] === 'json';
  const text = `${words[given] ?? ''} ${words[given + 1] ?? ''}`;
  return /^(?:-o=?json|--output=json|(?:-o|--output) json)\b/.test(text);
}

async function runVerb(
  verb: Verb,
  command: Command,
  output: Output,
  environment: Readonly<NodeJS.ProcessEnv>,
  asJson: boolean,
): Promise<number> {
  const globalSchema = globalSettings(verb.logLevel ?? 'warn');
  const globalFlags = {
    ...givenFlags(command.parent ?? command, optionsOf(globalSchema)),
    ...givenFlags(command, optionsOf(globalSchema)),
  };
  const variables = settingsEnvironment(environment);
  const names = optionsOf(verb.schema).map((info) => info.environment);
  for (const name of serviceLinks(environment, names)) {
    const sentence = `${name} is the address that Kubernetes gives a service of this name, and no setting, so it is not used; enableServiceLinks: false in the pod keeps such variables out.`;
    reportNotice(output, sentence, asJson);
  }
  const askedPath = globalFlags['config'] ?? variables['STELE_CONFIG'];
  const file = await readSettingsFile(typeof askedPath === 'string' ? askedPath : undefined);
  if (verb.judgesFile !== true) await checkFile(file);
  const resolve = <Properties extends OptionSet>(
    schema: SettingsSchema<Properties>,
    flags: Record<string, unknown>,
  ) => resolveSettings(schema, { flags, environment: variables, file: file.values });
  const { logLevel, logFormat } = resolve(globalSchema, globalFlags).values;
  const settings = resolve(verb.schema, givenFlags(command, optionsOf(verb.schema)));
  const global = {
    configPath: file.path,
    logLevel,
    logFormat,
    environment: variables,
    loadAllVerbs,
    verbs: VERBS,
  };
  if (verb.stdoutIsLog === true) output.beginLog?.();
  await openTracing((sentence) => reportNotice(output, sentence, asJson));
  try {
    return await verb.run({ operands: command.args, settings, global, output });
  } finally {
    await flushSpans();
  }
}

/**
 * Checks the keys of stele.yaml: each must be known to some verb. Only if there is a file are all
 * verbs loaded.
 */
async function checkFile(file: SettingsFile): Promise<void> {
  if (file.path === undefined) return;
  const verbs = await loadAllVerbs();
  checkFileKeys(file.values, [globalSettings('warn'), ...verbs.map((verb) => verb.schema)]);
}

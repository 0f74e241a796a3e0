// docs/cli.md: every verb with its options and examples.

import type { ListedOption } from '../options.ts';
import { EXIT_STATUS, SETTINGS_TEXT, globalOptions } from './pages.ts';
import type { VerbPage } from './pages.ts';

/** The page, not wrapped yet: prettier does that (`npm run docs:cli`). */
export function cliReference(pages: readonly VerbPage[]): string {
  const common = commonOptions(pages);
  return [
    '# The command line',
    '<!-- Written by `npm run docs:cli` from the definitions of the verbs; a test compares. -->',
    SETTINGS_TEXT,
    'A listing (`-o table|wide|json|yaml|name`) prints a table, or with `wide` one with more columns; `json` and `yaml` are for programs, and `name` is one name a line, for `xargs`. `--watch` prints it again whenever something has changed: on a terminal in place, elsewhere below, as JSON one document a line. It ends with Ctrl-C (exit code 130), and waits for a master that is away. Other verbs have a result (`-o table|json|yaml`). With `-o json` an error is one JSON object on stderr, `{"error":{"code","message"}}`.',
    '`source <(stele completion bash)` (or zsh, fish) completes verbs, flags, values, and the names of keyspaces and datanodes. `man stele` and `man stele-VERB` have this page too, where the package is installed with its man pages.',
    '## Verbs',
    [
      '| verb | does |',
      '| --- | --- |',
      ...pages.map(
        ({ name, summary }) =>
          `| [\`stele ${name}\`](#stele-${name}) | ${summary.replaceAll('|', '\\|')} |`,
      ),
    ].join('\n'),
    '## Exit codes',
    [
      '| code | meaning |',
      '| --- | --- |',
      ...EXIT_STATUS.map((row) => `| ${row.join(' | ')} |`),
    ].join('\n'),
    '## Common options',
    'Of every verb:',
    optionList(globalOptions()),
    'Of every verb that connects to a master:',
    optionList(common),
    ...pages.flatMap((page) => section(page, common)),
    '',
  ].join('\n\n');
}

/** The options of verbs that connect, which most pages would repeat. */
function commonOptions(pages: readonly VerbPage[]): ListedOption[] {
  const names = ['--master', '--timeout', '--tls', '--tls-', '--user', '--password-file'];
  const known = pages.find(({ name }) => name === 'keyspaces')?.options ?? [];
  return known.filter(({ flags }) =>
    names.some((name) => (name.endsWith('-') ? flags.startsWith(name) : isOf(flags, name))),
  );
}

function isOf(flags: string, name: string): boolean {
  return flags.split(/[ ,]+/).includes(name);
}

function section(page: VerbPage, common: readonly ListedOption[]): string[] {
  const { actions, examples, name, operands, summary } = page;
  const isCommon = (option: ListedOption): boolean =>
    common.some(
      ({ description, flags }) => flags === option.flags && description === option.description,
    );
  const own = page.options.filter((option) => !isCommon(option));
  const rest = page.options.length - own.length;
  return [
    `## stele ${name}`,
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    ['```sh', `stele ${name} [options]${operands === '' ? '' : ` ${operands}`}`, '```'].join('\n'),
    ...(actions.length === 0 ? [] : [`The first operand is one of \`${actions.join('`, `')}\`.`]),
    ...(own.length === 0 ? [] : [optionList(own)]),
    ...(rest === 0 ? [] : ['And the [common options](#common-options) of verbs that connect.']),
    ['```sh', ...examples, '```'].join('\n'),
  ];
}

function optionList(options: readonly ListedOption[]): string {
  return options
    .map(({ description, flags }) => `- \`${flags}\`: ${escaped(description)}`)
    .join('\n');
}

/** Text that is not Markdown. */
function escaped(text: string): string {
  return text.replaceAll(/[*_<>|[\]]/g, '\\$&');
}

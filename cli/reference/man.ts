// Man pages (man(7)): stele.1 for all, and stele-VERB.1 for each verb.

import { STELE_VERSION } from '../../base/process/build-version.ts';
import type { ListedOption } from '../options.ts';
import { EXIT_STATUS, SETTINGS_TEXT, globalOptions } from './pages.ts';
import type { VerbPage } from './pages.ts';

/** The pages by file name. `date` is YYYY-MM-DD. */
export function manPages(pages: readonly VerbPage[], date: string): Map<string, string> {
  const all: [string, string][] = pages.map((page) => [
    `stele-${page.name}.1`,
    verbPage(page, date),
  ]);
  return new Map([['stele.1', mainPage(pages, date)], ...all]);
}

function mainPage(pages: readonly VerbPage[], date: string): string {
  return join([
    header('stele', date),
    '.SH NAME',
    'stele \\- a replicated key\\-value store for immutable, bulk\\-loaded data',
    '.SH SYNOPSIS',
    '.B stele',
    '.RI [ options ]',
    '.I verb',
    '.RI [ operands ]',
    '.SH DESCRIPTION',
    prose(SETTINGS_TEXT),
    '.SH VERBS',
    ...pages.flatMap(({ name, summary }) => [
      '.TP',
      `.BR stele\\-${flagText(name)} (1)`,
      prose(`${summary}.`),
    ]),
    '.SH OPTIONS',
    ...options(globalOptions()),
    ...ending(),
  ]);
}

function verbPage(page: VerbPage, date: string): string {
  const { actions, examples, name, operands, summary } = page;
  return join([
    header(`stele-${name}`, date),
    '.SH NAME',
    `stele\\-${flagText(name)} \\- ${escaped(summary)}`,
    '.SH SYNOPSIS',
    `.B stele ${flagText(name)}`,
    '.RI [ options ]',
    ...(operands === '' ? [] : [`\\fI${flagText(operands)}\\fR`]),
    ...(actions.length === 0
      ? []
      : ['.SH ACTIONS', prose(`The first operand is one of ${actions.join(', ')}.`)]),
    '.SH OPTIONS',
    ...options([...page.options, ...page.global]),
    '.SH EXAMPLES',
    '.nf',
    ...examples.map(flagText),
    '.fi',
    ...ending(),
  ]);
}

function header(name: string, date: string): string {
  return `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 ${date} "stele ${STELE_VERSION}" "Stele Manual"`;
}

function options(listed: readonly ListedOption[]): string[] {
  return listed.flatMap(({ description, environment, flags }) => [
    '.TP',
    `\\fB${flagText(flags).replace(/ ([<[].*)$/, '\\fR \\fI$1')}\\fR`,
    prose(`${description}. Variable: ${environment}`),
  ]);
}

function ending(): string[] {
  return [
    '.SH EXIT STATUS',
    ...EXIT_STATUS.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, prose(`${meaning}.`)]),
    '.SH SEE ALSO',
    '.BR stele (1)',
  ];
}

/** Text as prose: lines may be filled. */
function prose(text: string): string {
  return escaped(text.replaceAll('`', ''));
}

/** Text that is typed: a minus, not a hyphen. */
function flagText(text: string): string {
  return escaped(text).replaceAll('-', '\\-');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replace(/^(?=[.'])/, '\\&');
}

function join(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}

// A command line that is being typed: its verb, its flags and operands so far, and the word at the
// cursor.

import { optionsOf } from '../../base/config.ts';
import type { OptionInfo } from '../../base/config.ts';
import { globalSettings, shortNames } from '../global-options.ts';
import type { Verb } from '../verb.ts';

/** The global flags that take a value. */
const GLOBAL_WITH_VALUE: ReadonlySet<string> = new Set(['--config', '--log-level', '--log-format']);

/**
 * The complete words of `line` after the program's name, and the beginning of a word at its end.
 */
export function splitLine(line: string): { words: string[]; current: string } {
  const found = [...line.matchAll(/(?:"[^"]*"?|'[^']*'?|\\.|[^\s"'\\])+/g)];
  const words = found.map(([word]) => word.replaceAll(/\\(.)|["']/g, '$1'));
  const last = found.at(-1);
  const isOpen = last !== undefined && last.index + last[0].length === line.length;
  const current = isOpen ? (words.pop() ?? '') : '';
  return { words: words.slice(1), current };
}

/** The first word that is no flag and no value of a global one; -1 if there is none. */
export function verbAt(words: readonly string[]): number {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (GLOBAL_WITH_VALUE.has(word)) at++;
    else if (!word.startsWith('-') && word !== 'help') return at;
  }
  return -1;
}

export interface ParsedLine {
  readonly operands: readonly string[];
  /** The flags with a value, by property name. */
  readonly flags: Readonly<Record<string, string>>;
  /** The option whose value is being typed as a word of its own. */
  readonly awaiting: OptionInfo | undefined;
}

/** The words after the verb. */
export function parseWords(words: readonly string[], verb: Verb): ParsedLine {
  const infos = optionsOf(verb.schema);
  const operands: string[] = [];
  const flags: Record<string, string> = {};
  let awaiting: OptionInfo | undefined;
  for (const word of words) {
    if (awaiting !== undefined) {
      flags[awaiting.property] = word;
      awaiting = undefined;
      continue;
    }
    const [name = '', ...value] = word.split('=');
    const info = infos.find((one) => `--${one.flag}` === name || shortOf(verb, one) === name);
    if (info !== undefined && value.length > 0) flags[info.property] = value.join('=');
    else if (info !== undefined && takesValue(info)) awaiting = info;
    else if (GLOBAL_WITH_VALUE.has(word)) awaiting = globalInfo(word);
    else if (!word.startsWith('-')) operands.push(word);
  }
  return { operands, flags, awaiting };
}

/** Whether the next word is its value. */
function takesValue({ bare, bareValue, kind }: OptionInfo): boolean {
  return kind !== 'flag' && bare === undefined && bareValue === undefined;
}

/** `-o`; empty if it has no short form. */
function shortOf(verb: Verb, { property }: OptionInfo): string {
  const letter = shortNames(verb)[property];
  return letter === undefined ? '' : `-${letter}`;
}

function globalInfo(word: string): OptionInfo | undefined {
  return optionsOf(globalSettings('warn')).find(({ flag }) => `--${flag}` === word);
}

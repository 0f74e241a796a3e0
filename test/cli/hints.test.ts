import { expect, it } from 'vitest';
import type { CommandDocs } from '../../cli/repl/command-docs.ts';
import { hintFor } from '../../cli/repl/hints.ts';
import { RecentKeys } from '../../cli/repl/recent-keys.ts';

const argument = (syntax: string) => ({ syntax, isKey: syntax === 'key', isMultiple: false });
const command = (name: string, ...syntax: string[]): CommandDocs => ({
  ...{ name, summary: '', group: '', subcommands: [] },
  arguments: syntax.map(argument),
});
const docs = new Map([
  ['GETRANGE', command('GETRANGE', 'key', 'start', 'end')],
  ['PING', command('PING', '[message]')],
  [
    'CLIENT',
    { ...command('CLIENT'), subcommands: [command('CLIENT KILL', 'id'), command('CLIENT ID')] },
  ],
]);

it.each([
  ['getrange', ' key start end'],
  ['getrange ', 'key start end'],
  ['getrange city', ' start end'],
  ['getrange "a b" 0 ', 'end'],
  ['getrange a 0 1 2', ''],
  ['getrange "a', ''],
  ['ping ', '[message]'],
  ['client ', 'subcommand'],
  ['client kill ', 'id'],
  ['frob ', ''],
  ['', ''],
])('after %j the hint is %j', (line, hint) => {
  expect(hintFor(line, docs)).toBe(hint);
});

it('recent keys are those of commands, newest first, and only what needs no quotes', () => {
  const recent = new RecentKeys();
  for (const key of ['a1', 'a2', 'a 3', 'a1', `a${'x'.repeat(300)}`, 'b']) {
    recent.add(['getrange', key, '0', '1'], docs);
  }
  recent.add(['ping', 'a4'], docs);
  expect(recent.startingWith('a')).toEqual(['a1', 'a2']);
  for (let at = 0; at < 1000; at++) recent.add(['getrange', `k${at}`], docs);
  expect(recent.startingWith('')).toHaveLength(500);
});

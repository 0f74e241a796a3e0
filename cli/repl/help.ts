// `help`, `help COMMAND` and `help @GROUP`, from the server's own description of its commands.

import { commandDocs, docsOf } from './command-docs.ts';
import type { CommandDocs } from './command-docs.ts';
import { nearestTo } from '../suggestions.ts';
import type { CliSession } from './repl-session.ts';

export const GENERAL_HELP = [
  'Type a command as in redis-cli, for example: GET some-key',
  '  use KEYSPACE     read from another keyspace (as SELECT)',
  '  pretty COMMAND   print its values as indented JSON, as text, or in hexadecimal',
  '  hex COMMAND      print its values in hexadecimal',
  '  N COMMAND        run it N times: 5 GET some-key',
  '  help COMMAND     what a command does and how it is written',
  '  help @GROUP      the commands of a group; help @ lists the groups',
  '  clear            empty the screen',
  '  quit, exit       leave (also Ctrl-D); Ctrl-C gives up a command or a line',
  'Tab completes commands, keyspaces and the last keys; the up arrow and Ctrl-R find earlier lines.',
].join('\n');

/** The text for `help` and what follows it. Asks the server about commands. */
export async function helpText(session: CliSession, ...words: string[]): Promise<string> {
  const [first] = words;
  if (first === undefined) return GENERAL_HELP;
  const docs = await commandDocs(session);
  if (docs.size === 0) {
    return session.isConnected
      ? 'The server does not describe its commands now (CLIENT REPLY, or an older server).'
      : 'Help on commands comes from the server, and there is no connection.';
  }
  if (first.startsWith('@')) return groupHelp(docs, first.slice(1).toLowerCase());
  const found = docsOf(docs, words)?.found;
  if (found !== undefined) return commandHelp(found);
  const near = nearestTo(first.toUpperCase(), [...docs.keys()]);
  const hint = near === undefined ? 'Tab lists them all' : `did you mean ${near}?`;
  return `There is no command '${first}'; ${hint}${near === undefined ? '.' : ''}`;
}

function commandHelp(docs: CommandDocs): string {
  const syntax = [docs.name, ...docs.arguments.map((each) => each.syntax)].join(' ');
  const subcommands = docs.subcommands.map(({ name, summary }) => `    ${name}: ${summary}`);
  const group = docs.group === '' ? [] : [`  group: @${docs.group}`];
  return [`  ${syntax}`, `  ${docs.summary}`, ...group, ...subcommands].join('\n');
}

function groupHelp(docs: ReadonlyMap<string, CommandDocs>, group: string): string {
  const members = [...docs.values()].filter((each) => each.group === group);
  if (members.length === 0) {
    const groups = [...new Set(Array.from(docs.values(), (each) => each.group))].sort();
    const list = groups.filter((each) => each !== '').map((each) => `@${each}`);
    return `The groups are ${list.join(', ')}.`;
  }
  const width = Math.max(...members.map(({ name }) => name.length));
  return members
    .map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
    .sort()
    .join('\n');
}

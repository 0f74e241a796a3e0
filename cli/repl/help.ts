// `help` and `help COMMAND`, from the server's own description of its commands (COMMAND DOCS).

import type { Reply } from '../../client/resp-client.ts';
import { fieldsOf, itemsOf, textOf } from './reply-texts.ts';
import type { CliSession } from './repl-session.ts';

export const GENERAL_HELP = [
  'Type a command as in redis-cli, for example: GET some-key',
  '  use KEYSPACE     read from another keyspace (as SELECT)',
  '  help COMMAND     what a command does and how it is written',
  '  clear            empty the screen',
  '  quit, exit       leave (also Ctrl-D); Ctrl-C gives up a command or a line',
  'Tab completes commands and keyspaces; the up arrow and Ctrl-R find earlier lines.',
].join('\n');

/** The text for `help` and `help COMMAND`. Asks the server about a command. */
export async function helpText(session: CliSession, command: string | undefined): Promise<string> {
  if (command === undefined) return GENERAL_HELP;
  const docs = await session.ask(['COMMAND', 'DOCS', command]);
  if (docs === undefined) return 'The server sends no replies until CLIENT REPLY ON.';
  return commandHelp(command, docs) ?? `There is no command '${command}'; Tab lists them all.`;
}

/** The text for one command from its COMMAND DOCS reply; undefined for an unknown command. */
function commandHelp(name: string, docs: Reply): string | undefined {
  const fields = fieldsOf(fieldsOf(docs).get(name.toLowerCase()));
  const summary = textOf(fields.get('summary'));
  if (summary === undefined) return undefined;
  const syntax = [name.toUpperCase(), ...itemsOf(fields.get('arguments')).map(argumentSyntax)];
  const subcommands = [...fieldsOf(fields.get('subcommands'))].map(subcommandLine);
  return [`  ${syntax.join(' ')}`, `  ${summary}`, ...subcommands].join('\n');
}

function subcommandLine([name, docs]: [string, Reply]): string {
  const words = name.toUpperCase().replace('|', ' ');
  return `    ${words}: ${textOf(fieldsOf(docs).get('summary')) ?? ''}`;
}

/** `key`, `[MATCH pattern]`, `key [key ...]`: the notation of Redis. */
function argumentSyntax(argument: Reply): string {
  const fields = fieldsOf(argument);
  const flags = itemsOf(fields.get('flags')).map(textOf);
  const core = argumentCore(fields);
  const repeated = flags.includes('multiple') ? `${core} [${core} ...]` : core;
  return flags.includes('optional') ? `[${repeated}]` : repeated;
}

function argumentCore(fields: ReadonlyMap<string, Reply>): string {
  const token = textOf(fields.get('token'));
  const type = textOf(fields.get('type'));
  const inner = itemsOf(fields.get('arguments')).map(argumentSyntax);
  if (type === 'pure-token' && token !== undefined) return token;
  const name =
    inner.length > 0
      ? inner.join(type === 'oneof' ? ' | ' : ' ')
      : (textOf(fields.get('name')) ?? '');
  return token === undefined ? name : `${token} ${name}`;
}

// What the server says about its commands (COMMAND DOCS), asked once a session: for help,
// completion, hints and the nearest name of a mistyped command.

import type { Reply } from '../../client/resp-client.ts';
import type { CliSession } from './repl-session.ts';
import { fieldsOf, itemsOf, textOf } from './reply-texts.ts';

/** One argument of a command, as documentation writes it. */
export interface ArgumentDocs {
  /** `key`, `[MATCH pattern]`, `key [key ...]`: the notation of Redis. */
  readonly syntax: string;
  readonly isKey: boolean;
  /** May be repeated, so that every later argument is one of it. */
  readonly isMultiple: boolean;
}

/** A command, or a subcommand (`CLIENT LIST`). */
export interface CommandDocs {
  /** In capitals, with a space before the subcommand. */
  readonly name: string;
  readonly summary: string;
  /** In lower case, such as `string` or `connection`. */
  readonly group: string;
  readonly arguments: readonly ArgumentDocs[];
  readonly subcommands: readonly CommandDocs[];
}

const known = new WeakMap<CliSession, ReadonlyMap<string, CommandDocs>>();

/**
 * The commands of the session's server by name, in capitals. Empty if the server cannot be asked
 * now; it is asked again at the next call. Never throws.
 */
export async function commandDocs(session: CliSession): Promise<ReadonlyMap<string, CommandDocs>> {
  const before = known.get(session);
  if (before !== undefined) return before;
  const docs = await session.ask(['COMMAND', 'DOCS']).then(docsIn, () => new Map());
  if (docs.size > 0) known.set(session, docs);
  return docs;
}

/** The docs that `commandDocs` has for the session already; empty before its first answer. */
export function knownDocs(session: CliSession): ReadonlyMap<string, CommandDocs> {
  return known.get(session) ?? new Map();
}

/** The docs of the longest name that `words` begin with, and how many words that name has. */
export function docsOf(
  docs: ReadonlyMap<string, CommandDocs>,
  words: readonly string[],
): { readonly found: CommandDocs; readonly nameWords: number } | undefined {
  const [first = '', second = ''] = words;
  const command = docs.get(first.toUpperCase());
  if (command === undefined) return undefined;
  const full = `${command.name} ${second.toUpperCase()}`;
  const sub = command.subcommands.find(({ name }) => name === full);
  return sub === undefined ? { found: command, nameWords: 1 } : { found: sub, nameWords: 2 };
}

/** The argument at `index`, counted after the name; the last one if that may be repeated. */
export function argumentAt(docs: CommandDocs, index: number): ArgumentDocs | undefined {
  const repeated = docs.arguments.findIndex(({ isMultiple }) => isMultiple);
  return docs.arguments[repeated >= 0 && index > repeated ? repeated : index];
}

function docsIn(reply: Reply | undefined): ReadonlyMap<string, CommandDocs> {
  const entries = [...fieldsOf(reply)].map(([name, fields]) => commandIn(name, fields));
  return new Map(entries.map((docs) => [docs.name, docs]));
}

function commandIn(name: string, reply: Reply): CommandDocs {
  const fields = fieldsOf(reply);
  const subcommands = [...fieldsOf(fields.get('subcommands'))];
  return {
    name: name.toUpperCase().replace('|', ' '),
    summary: textOf(fields.get('summary')) ?? '',
    group: textOf(fields.get('group')) ?? '',
    arguments: itemsOf(fields.get('arguments')).map(argumentIn),
    subcommands: subcommands.map(([sub, subFields]) => commandIn(sub, subFields)),
  };
}

function argumentIn(reply: Reply): ArgumentDocs {
  const fields = fieldsOf(reply);
  const flags = new Set(itemsOf(fields.get('flags')).map(textOf));
  return {
    syntax: syntaxOf(fields, flags),
    isKey: textOf(fields.get('type')) === 'key',
    isMultiple: flags.has('multiple'),
  };
}

function syntaxOf(
  fields: ReadonlyMap<string, Reply>,
  flags: ReadonlySet<string | undefined>,
): string {
  const core = coreSyntax(fields);
  const repeated = flags.has('multiple') ? `${core} [${core} ...]` : core;
  return flags.has('optional') ? `[${repeated}]` : repeated;
}

function coreSyntax(fields: ReadonlyMap<string, Reply>): string {
  const token = textOf(fields.get('token'));
  const type = textOf(fields.get('type'));
  const inner = itemsOf(fields.get('arguments')).map((each) => argumentIn(each).syntax);
  if (type === 'pure-token' && token !== undefined) return token;
  const name =
    inner.length > 0
      ? inner.join(type === 'oneof' ? ' | ' : ' ')
      : (textOf(fields.get('name')) ?? '');
  return token === undefined ? name : `${token} ${name}`;
}

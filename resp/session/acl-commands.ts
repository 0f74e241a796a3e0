// ACL: the users, as far as Redis's commands can show them. Without --auth on they are `default`,
// who may do everything, and those that stand for keyspaces (session-commands.ts). `stele user`
// changes users.

import type { Account } from '../../access/access-list.ts';
import { shorten } from '../../base/ids.ts';
import type { ServerContext, SessionHandlers } from '../commands/backend.ts';
import { accessOfCommand } from '../commands/command-access.ts';
import { COMMAND_SPECS } from '../commands/command-spec.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import type { Session } from '../commands/session.ts';
import { findCommandByName } from '../commands/command-table.ts';
import { argumentText } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

const CATEGORIES = [
  ...new Set(COMMAND_SPECS.flatMap((spec) => spec.categories.map((name) => name.slice(1)))),
].sort();

/** A user as ACL LIST and ACL GETUSER show it. */
interface ShownUser {
  readonly name: string;
  readonly flags: readonly string[];
  /** What it may do: in Redis's words without --auth on, otherwise its grants. */
  readonly commands: string;
}

function usersOf({ user }: Session, { gate }: ServerContext): ShownUser[] {
  if (gate.access === undefined) {
    const names = [...new Set(['default', user])];
    return names.map((name) => ({ name, flags: ['on', 'nopass'], commands: '+@all' }));
  }
  return [...gate.access.accounts.values()].map(({ grants, user: { disabled, name } }) => ({
    name,
    flags: [disabled ? 'off' : 'on'],
    commands: grants.join(' '),
  }));
}

export const ACL_HANDLERS = {
  'acl|whoami': (_, out, { user }) => out.bulkText(user),
  'acl|users': (_, out, session, context) =>
    writeTexts(
      out,
      usersOf(session, context).map(({ name }) => name),
    ),
  'acl|list': (_, out, session, context) =>
    writeTexts(
      out,
      usersOf(session, context).map(
        ({ commands, flags, name }) => `user ${name} ${flags.join(' ')} ~* &* ${commands}`,
      ),
    ),
  'acl|cat': (command, out) => {
    if (command.argc === 2) return writeTexts(out, CATEGORIES);
    if (command.argc > 3) return out.error('ERR syntax error');
    const category = argumentText(command, 2);
    if (!CATEGORIES.includes(category.toLowerCase())) {
      return out.error(`ERR Unknown category '${shorten(category)}'`);
    }
    const wanted = `@${category.toLowerCase()}`;
    writeTexts(
      out,
      COMMAND_SPECS.filter(({ categories }) => categories.includes(wanted)).map(({ name }) => name),
    );
  },
  'acl|getuser': (command, out, session, context) => {
    const name = argumentText(command, 2);
    const found = usersOf(session, context).find((each) => each.name === name);
    if (found === undefined) return out.nil();
    out.map(6);
    out.bulkText('flags');
    out.set(found.flags.length);
    for (const flag of found.flags) out.bulkText(flag);
    out.bulkText('passwords');
    out.array(0);
    for (const [field, text] of [
      ['commands', found.commands],
      ['keys', '~*'],
      ['channels', '&*'],
    ] as const) {
      out.bulkText(field);
      out.bulkText(text);
    }
    out.bulkText('selectors');
    out.array(0);
  },
  'acl|dryrun': (command, out, session, context) => {
    const name = argumentText(command, 2);
    if (!usersOf(session, context).some((each) => each.name === name)) {
      return out.error(`ERR User '${shorten(name)}' not found`);
    }
    const asked = argumentText(command, 3);
    const spec = findCommandByName(asked);
    if (spec === undefined) return out.error(`ERR Command '${shorten(asked)}' not found`);
    const account = context.gate.access?.account(name);
    if (account === undefined || mayRun(account, spec, session)) out.ok();
    else out.bulkText(`User ${name} has no permissions to run the '${spec.name}' command`);
  },
  'acl|log': (command, out) => {
    if (command.argc === 3 && argumentText(command, 2).toLowerCase() === 'reset') out.ok();
    else out.array(0);
  },
} satisfies Partial<SessionHandlers>;

/** Whether a user may run a command, in the keyspace of the session that asks. */
function mayRun({ rights, user }: Account, spec: CommandSpec, { keyspace }: Session): boolean {
  const asked = accessOfCommand(spec);
  if (asked === 'open') return true;
  if (user.disabled) return false;
  if (asked === 'user') return true;
  return asked === 'read' ? rights.may('read', keyspace.name) : rights.may(asked);
}

function writeTexts(out: ReplyWriter, texts: readonly string[]): void {
  out.array(texts.length);
  for (const text of texts) out.bulkText(text);
}

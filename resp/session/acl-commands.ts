// ACL: there is no access control. The users are `default`, who may do everything, and those that stand for
// keyspaces (session-commands.ts).

import { shorten } from '../../base/ids.ts';
import type { SessionHandlers } from '../commands/backend.ts';
import { COMMAND_SPECS } from '../commands/command-spec.ts';
import { findCommandByName } from '../commands/command-table.ts';
import { argumentText } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

const CATEGORIES = [
  ...new Set(COMMAND_SPECS.flatMap((spec) => spec.categories.map((name) => name.slice(1)))),
].sort();

export const ACL_HANDLERS = {
  'acl|whoami': (_, out, { user }) => out.bulkText(user),
  'acl|users': (_, out, { user }) => writeTexts(out, [...new Set(['default', user])]),
  'acl|list': (_, out, { user }) =>
    writeTexts(
      out,
      [...new Set(['default', user])].map((name) => `user ${name} on nopass ~* &* +@all`),
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
  'acl|getuser': (command, out, { user }) => {
    const name = argumentText(command, 2);
    if (name !== 'default' && name !== user) return out.nil();
    out.map(6);
    out.bulkText('flags');
    out.set(2);
    out.bulkText('on');
    out.bulkText('nopass');
    out.bulkText('passwords');
    out.array(0);
    for (const [field, text] of [
      ['commands', '+@all'],
      ['keys', '~*'],
      ['channels', '&*'],
    ] as const) {
      out.bulkText(field);
      out.bulkText(text);
    }
    out.bulkText('selectors');
    out.array(0);
  },
  'acl|dryrun': (command, out, { user }) => {
    const name = argumentText(command, 2);
    if (name !== 'default' && name !== user)
      return out.error(`ERR User '${shorten(name)}' not found`);
    const asked = argumentText(command, 3);
    if (findCommandByName(asked) === undefined) {
      return out.error(`ERR Command '${shorten(asked)}' not found`);
    }
    out.ok();
  },
  'acl|log': (command, out) => {
    if (command.argc === 3 && argumentText(command, 2).toLowerCase() === 'reset') out.ok();
    else out.array(0);
  },
} satisfies Partial<SessionHandlers>;

function writeTexts(out: ReplyWriter, texts: readonly string[]): void {
  out.array(texts.length);
  for (const text of texts) out.bulkText(text);
}

// SLOWLOG: the commands that took long, in the replies of Redis.

import type { SessionHandlers } from '../commands/backend.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';

const COUNT_DEFAULT = 10;

export const SLOW_LOG_HANDLERS = {
  'slowlog|get': (command, out, _, { times }) => {
    if (command.argc > 3) {
      const name = argumentText(command, 1);
      return out.error(
        `ERR unknown subcommand or wrong number of arguments for '${name}'. Try SLOWLOG HELP.`,
      );
    }
    const count = wantedCount(command);
    if (count === undefined) {
      return out.error('ERR count should be greater than or equal to -1');
    }
    const entries = times.slowLog.latest(count);
    out.array(entries.length);
    for (const { client, clientName, id, microseconds, shown, unixSeconds } of entries) {
      out.array(6);
      out.integer(id);
      out.integer(unixSeconds);
      out.integer(microseconds);
      out.array(shown.length);
      for (const argument of shown) out.bulk(argument);
      out.bulkText(client);
      out.bulkText(clientName);
    }
  },
  'slowlog|len': (_, out, __, { times }) => out.integer(times.slowLog.length),
  'slowlog|reset': (_, out, __, { times }) => {
    times.slowLog.reset();
    out.ok();
  },
} satisfies Partial<SessionHandlers>;

function wantedCount(command: CommandArguments): number | undefined {
  if (command.argc === 2) return COUNT_DEFAULT;
  const text = argumentText(command, 2);
  return /^(?:-1|\d{1,15})$/.test(text) ? Number(text) : undefined;
}

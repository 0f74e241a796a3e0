// Compares docs/redis.md with the command table and the limits.

import { expect, test } from 'vitest';
import * as limits from '../../base/limits.ts';
import { COMMANDS } from '../../resp/commands/command-table.ts';
import { readDoc, section } from './markdown.ts';

const page = readDoc('docs/redis.md');
/** Without line breaks, which may be anywhere in a sentence. */
const prose = page.replaceAll(/\s+/g, ' ');
const MIB = 1024 ** 2;

test('the commands in docs/redis.md are those of the command table', () => {
  const rows = section(page, 'Commands')
    .split('\n')
    .filter((line) => line.startsWith('|'));
  const named = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map((match) => match[1]));
  const carriedOut = COMMANDS.flatMap((command) =>
    command.subcommands.length > 0 ? command.subcommands : [command],
  ).filter(({ handler }) => handler !== 'refused' && handler !== 'collection');
  const names = carriedOut.map(({ name }) => name.replace('|', ' ').toUpperCase());
  expect(new Set(named)).toEqual(new Set(names));
  expect(named).toHaveLength(names.length);
});

test('the limits in docs/redis.md are those of base/limits.ts', () => {
  for (const fact of [
    `${limits.KEY_BYTES_MAX / 1024} KiB a key`,
    `${limits.VALUE_BYTES_MAX / MIB} MiB an argument`,
    `${limits.RESP_ARGUMENTS_MAX.toLocaleString('en-US')} arguments`,
    `${limits.RESP_QUERY_BYTES_MAX / MIB} MiB a command`,
    `${limits.RESP_OUTPUT_PAUSE_BYTES / MIB} MiB of unread replies`,
  ]) {
    expect(prose).toContain(fact);
  }
});

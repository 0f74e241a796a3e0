// CONFIG GET: the parameters that clients and tools read, with Stele's values.

import { CONNECTIONS_MAX_DEFAULT, VALUE_BYTES_MAX } from '../../base/limits.ts';
import type { ServerFacts } from '../commands/backend.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { globMatches } from '../../base/glob.ts';

const PARAMETERS: ReadonlyMap<string, string> = new Map([
  ['save', ''],
  ['appendonly', 'no'],
  ['maxmemory', '0'],
  ['maxmemory-policy', 'noeviction'],
  ['timeout', '0'],
  ['slowlog-log-slower-than', '-1'],
  ['slowlog-max-len', '128'],
  ['latency-monitor-threshold', '0'],
  ['maxclients', String(CONNECTIONS_MAX_DEFAULT)],
  ['proto-max-bulk-len', String(VALUE_BYTES_MAX)],
  ['notify-keyspace-events', ''],
  ['slave-read-only', 'yes'],
  ['replica-read-only', 'yes'],
]);

/** Answers with a map of all parameters that match one of the patterns. */
export function executeConfigGet(
  command: CommandArguments,
  out: ReplyWriter,
  facts: ServerFacts,
): void {
  const parameters = new Map([
    ...PARAMETERS,
    ['databases', String(facts.databases)] as const,
    ['cluster-enabled', facts.mode === 'cluster' ? 'yes' : 'no'] as const,
    ...Object.entries(facts.config ?? {}),
  ]);
  const patterns: Buffer[] = [];
  for (let index = 2; index < command.argc; index++) {
    patterns.push(command.buffer.subarray(command.starts[index], command.ends[index]));
  }
  const found = [...parameters].filter(([name]) =>
    patterns.some((pattern) => globMatches(pattern, Buffer.from(name), true)),
  );
  out.map(found.length);
  for (const [name, value] of found) {
    out.bulkText(name);
    out.bulkText(value);
  }
}

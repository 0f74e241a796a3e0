// CONFIG GET: the parameters that clients and tools read, with Stele's values. CONFIG SET changes
// those of SLOWLOG and LATENCY, until the process ends.

import { CONNECTIONS_MAX_DEFAULT, VALUE_BYTES_MAX } from '../../base/limits.ts';
import type { ServerContext, SessionHandlers } from '../commands/backend.ts';
import type { CommandTimes } from '../commands/command-times.ts';
import { SLOW_LOG_ENTRIES_MAX } from '../commands/timing-settings.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { globMatches } from '../../base/glob.ts';

const FIXED: ReadonlyMap<string, string> = new Map([
  ['save', ''],
  ['appendonly', 'no'],
  ['maxmemory', '0'],
  ['maxmemory-policy', 'noeviction'],
  ['timeout', '0'],
  ['latency-tracking', 'yes'],
  ['latency-tracking-info-percentiles', '50 99 99.9'],
  ['maxclients', String(CONNECTIONS_MAX_DEFAULT)],
  ['proto-max-bulk-len', String(VALUE_BYTES_MAX)],
  ['notify-keyspace-events', ''],
  ['slave-read-only', 'yes'],
  ['replica-read-only', 'yes'],
]);

/** A number that CONFIG SET changes, in the unit of Redis. */
interface Changeable {
  readonly min: number;
  readonly max: number;
  get(times: CommandTimes): number;
  set(times: CommandTimes, value: number): void;
}

const CHANGEABLE: ReadonlyMap<string, Changeable> = new Map<string, Changeable>([
  [
    'slowlog-log-slower-than',
    {
      min: -1,
      max: Number.MAX_SAFE_INTEGER,
      get: ({ slowMs }) => (slowMs === undefined ? -1 : Math.round(slowMs * 1000)),
      set: (times, microseconds) => {
        times.slowMs = microseconds < 0 ? undefined : microseconds / 1000;
      },
    },
  ],
  [
    'slowlog-max-len',
    {
      min: 0,
      max: SLOW_LOG_ENTRIES_MAX,
      get: ({ slowLog }) => slowLog.entriesMax,
      set: ({ slowLog }, entries) => {
        slowLog.entriesMax = entries;
      },
    },
  ],
  [
    'latency-monitor-threshold',
    {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      get: ({ eventMs }) => eventMs,
      set: (times, milliseconds) => {
        times.eventMs = milliseconds;
      },
    },
  ],
]);

export const CONFIG_HANDLERS = {
  /** Answers with a map of all parameters that match one of the patterns. */
  'config|get': (command, out, _, context) => {
    const patterns: Buffer[] = [];
    for (let index = 2; index < command.argc; index++) {
      patterns.push(command.buffer.subarray(command.starts[index], command.ends[index]));
    }
    const found = [...parametersOf(context)].filter(([name]) =>
      patterns.some((pattern) => globMatches(pattern, Buffer.from(name), true)),
    );
    out.map(found.length);
    for (const text of found.flat()) out.bulkText(text);
  },
  'config|set': (command, out, _, context) => {
    const changes = parseChanges(command, context);
    if (typeof changes === 'string') return out.error(changes);
    for (const change of changes) change();
    out.ok();
  },
  'config|resetstat': (_, out, __, { times }) => {
    times.counters.reset();
    times.histograms.reset();
    out.ok();
  },
} satisfies Partial<SessionHandlers>;

function parametersOf({ backend, times }: ServerContext): Map<string, string> {
  const facts = backend.facts();
  return new Map([
    ...FIXED,
    ...[...CHANGEABLE].map(([name, of]) => [name, String(of.get(times))] as const),
    ['databases', String(facts.databases)] as const,
    ['cluster-enabled', facts.mode === 'cluster' ? 'yes' : 'no'] as const,
    ...Object.entries(facts.config ?? {}),
  ]);
}

/** What `CONFIG SET name value [name value ...]` asks for: all of it, or the text of an error. */
function parseChanges(command: CommandArguments, context: ServerContext): (() => void)[] | string {
  if (command.argc % 2 !== 0) return 'ERR syntax error';
  const given = new Map<string, string>();
  for (let at = 2; at < command.argc; at += 2) {
    const name = argumentText(command, at);
    const lower = name.toLowerCase();
    if (given.has(lower)) return failed(name, 'duplicate parameter');
    if (!CHANGEABLE.has(lower)) {
      return parametersOf(context).has(lower)
        ? failed(name, "can't set immutable config")
        : `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`;
    }
    given.set(lower, argumentText(command, at + 1));
  }
  const changes: (() => void)[] = [];
  for (const [name, text] of given) {
    const parameter = CHANGEABLE.get(name) as Changeable;
    const { max, min } = parameter;
    if (!/^-?\d{1,15}$/.test(text))
      return failed(name, "argument couldn't be parsed into an integer");
    const value = Number(text);
    if (value < min || value > max) {
      return failed(name, `argument must be between ${min} and ${max} inclusive`);
    }
    changes.push(() => parameter.set(context.times, value));
  }
  return changes;
}

function failed(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

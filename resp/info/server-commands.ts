// Commands about the server that need no data, as monitors and client libraries send them. Where
// Stele has nothing to report, the reply is that of a Redis server to which nothing has happened
// yet.

import type { SessionHandlers } from '../commands/backend.ts';
import { integerArgument } from '../commands/integer-argument.ts';

/** The wall clock time at the start, because monotonic clocks have an arbitrary origin. */
const STARTED_AT_SECONDS = Math.floor(performance.timeOrigin / 1000);

export const SERVER_HANDLERS = {
  time: (_, out) => {
    // TIME needs wall time; nothing in Stele decides by it.
    const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    out.array(2);
    out.bulkText(String(Math.floor(microseconds / 1e6)));
    out.bulkText(String(microseconds % 1e6));
  },
  role: (_, out) => {
    out.array(3);
    out.bulkText('master');
    out.integer(0);
    out.array(0);
  },
  // No replica has to wait for writes, because there are none.
  wait: (command, out) => {
    integerArgument(command, 1);
    if (integerArgument(command, 2) < 0) return out.error('ERR timeout is negative');
    out.integer(0);
  },
  lastsave: (_, out) => out.integer(STARTED_AT_SECONDS),
  'module|list': (_, out) => out.array(0),
  'memory|doctor': (_, out) =>
    out.verbatim('Memory is bounded by --memory-max; see INFO memory and /metrics.\n'),
  'memory|purge': (_, out) => out.ok(),
  'memory|stats': (_, out) => {
    const { rss, heapUsed, external } = process.memoryUsage();
    const facts = {
      'peak.allocated': process.resourceUsage().maxRSS * 1024,
      'total.allocated': rss,
      'startup.allocated': 0,
      'replication.backlog': 0,
      'clients.slaves': 0,
      'clients.normal': 0,
      'aof.buffer': 0,
      'overhead.total': heapUsed,
      'dataset.bytes': external,
    };
    out.map(Object.keys(facts).length);
    for (const [name, value] of Object.entries(facts)) {
      out.bulkText(name);
      out.integer(value);
    }
  },
} satisfies Partial<SessionHandlers>;

// All benchmarks by name.

import type { Bench } from '../bench.ts';
import { bench as client } from './client.ts';
import { bench as coldStart } from './cold-start.ts';
import { bench as diskCache } from './disk-cache.ts';
import { bench as disk } from './disk.ts';
import { bench as http } from './http.ts';
import { bench as loadReads } from './load-reads.ts';
import { bench as load } from './load.ts';
import { bench as masters } from './masters.ts';
import { bench as planner } from './planner.ts';
import { bench as readDisk } from './read-disk.ts';
import { bench as readLatency } from './read-latency.ts';
import { bench as readMaster } from './read-master.ts';
import { bench as readTls } from './read-tls.ts';
import { bench as read } from './read.ts';
import { bench as repair } from './repair.ts';
import { bench as ring } from './ring.ts';
import { bench as scale } from './scale.ts';
import { bench as segment } from './segment.ts';

export const BENCHES: ReadonlyMap<string, Bench> = new Map<string, Bench>([
  ['ring', ring],
  ['planner', planner],
  ['masters', masters],
  ['segment', segment],
  ['load', load],
  ['load-reads', loadReads],
  ['repair', repair],
  ['scale', scale],
  ['read', read],
  ['read-tls', readTls],
  ['read-disk', readDisk],
  ['disk', disk],
  ['disk-cache', diskCache],
  ['read-master', readMaster],
  ['read-latency', readLatency],
  ['cold-start', coldStart],
  ['http', http],
  ['client', client],
]);

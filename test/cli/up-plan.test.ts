import { describe, expect, it } from 'vitest';
import { option, settingsOf } from '../../base/config.ts';
import { memoryMaxDefault } from '../../base/process/usable-memory.ts';
import { nextBackoffMs } from '../../cli/up/backoff.ts';
import {
  checkPlan,
  datanodeFlags,
  forwardedWords,
  masterFlags,
  memoryWords,
  parseLoad,
  flagWords,
} from '../../cli/up/plan.ts';
import type { ClusterPlan } from '../../cli/up/plan.ts';

const plan: ClusterPlan = {
  masters: 1,
  etcdNodes: 0,
  datanodes: 3,
  replication: 2,
  shards: 128,
  dataDir: 'd',
  host: '127.0.0.1',
  httpPort: 9000,
  respPort: 7379,
  grpcPort: 0,
};
const master = { host: '127.0.0.1', httpPort: 9000, respPort: 7379, grpcPort: 40_001 };

describe('the plan of stele up', () => {
  it('gives datanode i the ports one and i above those of the master, and free ones for 0', () => {
    expect(datanodeFlags(plan, 2, [master], undefined)).toEqual({
      id: 'node-2',
      master: '127.0.0.1:40001',
      'data-dir': 'd/node-2',
      host: '127.0.0.1',
      'http-port': 9003,
      'resp-port': 7382,
      'grpc-port': 0,
    });
  });

  it('lets a process that is started again keep the ports it had', () => {
    const before = { host: '127.0.0.1', httpPort: 9000, respPort: 7379, grpcPort: 40_001 };
    expect(masterFlags(plan, before)['grpc-port']).toBe(40_001);
    expect(masterFlags(plan, undefined)['grpc-port']).toBe(0);
  });

  it('refuses a number of shards that no cluster can have', () => {
    expect(() => checkPlan({ ...plan, shards: 100 })).toThrow(/100 is not a number of shards/);
  });

  it('refuses a number of masters that would give two processes one port', () => {
    const usual = { ...plan, grpcPort: 8400 };
    expect(() => checkPlan({ ...usual, masters: 3 })).not.toThrow();
    expect(() => checkPlan({ ...usual, masters: 7 })).toThrow(/Port 9000 would be used twice/);
    expect(() => checkPlan({ ...plan, masters: 9, httpPort: 0, respPort: 0 })).not.toThrow();
  });

  it('refuses ports that leave no room for the datanodes', () => {
    expect(() => checkPlan({ ...plan, httpPort: 65_532 })).not.toThrow();
    expect(() => checkPlan({ ...plan, httpPort: 65_533 })).toThrow(
      /--http-port 65533 leaves no room for 3 datanodes after it; use at most 65532/,
    );
  });

  it('shares the memory of the machine among the datanodes, unless a limit is given', () => {
    expect(memoryWords(3, 'default')).toEqual(['--memory-max', String(memoryMaxDefault(3))]);
    expect(memoryWords(3, 'environment')).toEqual([]);
  });

  it('writes flags as words', () => {
    expect(flagWords({ host: '::1', shards: 8 })).toEqual(['--host', '::1', '--shards', '8']);
  });
});

describe('forwardedWords', () => {
  const role = settingsOf({
    dataDir: option.text('a folder', ''),
    repairDelay: option.duration('a wait', '10s', { min: 0, max: 60_000 }),
    cache: option.flag('cache', true),
    noScrub: option.flag('no scrubbing'),
    zone: option.text('zone', ''),
  });
  const values = { dataDir: 'x', repairDelay: 2000, cache: false, noScrub: true, zone: 'e' };

  it('passes on what was given as a flag and is not set by up itself', () => {
    const sources = new Map(
      Object.keys(values).map((name) => [name, name === 'zone' ? 'environment' : 'flag'] as const),
    );
    expect(forwardedWords(role, new Set(['dataDir']), values, sources)).toEqual([
      '--repair-delay',
      '2s',
      '--no-cache',
      '--no-scrub',
    ]);
  });
});

describe('parseLoad', () => {
  it('splits at the first equals sign', () => {
    expect(parseLoad('geo=a=b.csv')).toEqual({ keyspace: 'geo', path: 'a=b.csv' });
  });

  it.each(['geo', '=x', 'geo=', ''])('refuses %j and shows how to write it', (text) => {
    expect(() => parseLoad(text)).toThrow(/--load takes KEYSPACE=PATH, for example/);
  });

  it('refuses an invalid keyspace name', () => {
    expect(() => parseLoad('a/b=x')).toThrow(/is not a keyspace name/);
  });
});

describe('nextBackoffMs', () => {
  it('doubles from 200 ms to 5 s while the process keeps dying', () => {
    const waits: number[] = [];
    for (let wait = 0; waits.length < 8; waits.push(wait)) wait = nextBackoffMs(wait, 100);
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it('starts again from 200 ms once the process has run for 10 s', () => {
    expect(nextBackoffMs(5000, 9999)).toBe(5000);
    expect(nextBackoffMs(5000, 10_000)).toBe(200);
  });
});

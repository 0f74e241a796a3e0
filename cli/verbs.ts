// The table of verbs, in the order of `stele --help`. Each is loaded only when it is needed.

import type { Verb } from './verb.ts';

interface VerbEntry {
  readonly summary: string;
  /** On a machine that also serves, readers come first. */
  readonly givesWay?: boolean;
  load(): Promise<Verb>;
}

/** By name; a Map because names come from the command line. */
export const VERBS: ReadonlyMap<string, VerbEntry> = new Map<string, VerbEntry>([
  [
    'up',
    {
      summary: 'run a whole cluster on this machine',
      load: async () => (await import('./verbs/up.ts')).up,
    },
  ],
  [
    'load',
    {
      summary: 'load files into a keyspace',
      givesWay: true,
      load: async () => (await import('./verbs/load.ts')).load,
    },
  ],
  [
    'cli',
    {
      summary: 'read keys: one command, or interactively',
      load: async () => (await import('./verbs/cli.ts')).cli,
    },
  ],
  [
    'status',
    {
      summary: "the cluster's health",
      load: async () => (await import('./verbs/status.ts')).status,
    },
  ],
  [
    'keyspaces',
    {
      summary: 'list the keyspaces',
      load: async () => (await import('./verbs/keyspaces.ts')).keyspaces,
    },
  ],
  [
    'versions',
    {
      summary: 'list the versions of a keyspace',
      load: async () => (await import('./verbs/versions.ts')).versions,
    },
  ],
  [
    'events',
    {
      summary: 'list who did what',
      load: async () => (await import('./verbs/events.ts')).events,
    },
  ],
  [
    'loads',
    {
      summary: 'list running loads and the last ones',
      load: async () => (await import('./verbs/loads.ts')).loads,
    },
  ],
  [
    'rollback',
    {
      summary: 'make an earlier version current',
      load: async () => (await import('./verbs/rollback.ts')).rollback,
    },
  ],
  [
    'promote',
    {
      summary: 'put a rejected or an older version live',
      load: async () => (await import('./verbs/promote.ts')).promote,
    },
  ],
  [
    'keep',
    {
      summary: 'how many versions a keyspace keeps',
      load: async () => (await import('./verbs/keep.ts')).keep,
    },
  ],
  [
    'replication',
    {
      summary: 'how many copies a keyspace has',
      load: async () => (await import('./verbs/replication.ts')).replication,
    },
  ],
  [
    'cache',
    {
      summary: 'whether the master caches the values of a keyspace',
      load: async () => (await import('./verbs/cache.ts')).cache,
    },
  ],
  [
    'diff',
    {
      summary: 'what changed between two versions of a keyspace',
      load: async () => (await import('./verbs/diff.ts')).diff,
    },
  ],
  [
    'suspend',
    {
      summary: 'free the memory of a keyspace, and keep its data on disk',
      load: async () => (await import('./verbs/suspend.ts')).suspend,
    },
  ],
  [
    'resume',
    {
      summary: 'bring a suspended keyspace back into memory',
      load: async () => (await import('./verbs/resume.ts')).resume,
    },
  ],
  [
    'drop',
    {
      summary: 'delete a keyspace, or one version of it',
      load: async () => (await import('./verbs/drop.ts')).drop,
    },
  ],
  [
    'nodes',
    { summary: 'list the datanodes', load: async () => (await import('./verbs/nodes.ts')).nodes },
  ],
  [
    'node',
    {
      summary: 'drain, resume, remove or restart datanodes',
      load: async () => (await import('./verbs/node.ts')).node,
    },
  ],
  [
    'shards',
    {
      summary: 'list the shards and who holds them',
      load: async () => (await import('./verbs/shards.ts')).shards,
    },
  ],
  [
    'ring',
    {
      summary: 'how the shards are spread over the datanodes',
      load: async () => (await import('./verbs/ring.ts')).ring,
    },
  ],
  [
    'explain',
    {
      summary: 'where a key lives, and why',
      load: async () => (await import('./verbs/explain.ts')).explain,
    },
  ],
  [
    'verify',
    {
      summary: 'check segment files offline',
      load: async () => (await import('./verbs/verify.ts')).verify,
    },
  ],
  [
    'config',
    {
      summary: 'show the settings in force and where they come from',
      load: async () => (await import('./verbs/config.ts')).config,
    },
  ],
  [
    'master',
    { summary: 'run one master', load: async () => (await import('./verbs/master.ts')).master },
  ],
  [
    'datanode',
    {
      summary: 'run one datanode',
      load: async () => (await import('./verbs/datanode.ts')).datanode,
    },
  ],
]);

/** All verbs, loaded: for what concerns every option there is. */
export function loadAllVerbs(): Promise<Verb[]> {
  return Promise.all([...VERBS.values()].map((entry) => entry.load()));
}

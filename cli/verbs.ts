// The table of verbs, in the order of `stele --help`. Each is loaded only when it is needed.
//
//     verbs/processes    what runs: a cluster, a master, a datanode
//     verbs/data         rows into a keyspace, and values out of it
//     verbs/keyspaces    keyspaces and their versions
//     verbs/cluster      datanodes, shards, health
//     verbs/access       users, roles, the audit log
//     verbs/archive      backup, restore and export

import type { Verb, VerbEntry } from './verb.ts';

function entry(
  summary: string,
  load: () => Promise<{ readonly definition: Verb }>,
  lowersPriority = false,
): VerbEntry {
  return { summary, lowersPriority, load: async () => (await load()).definition };
}

/** By name; a Map because names come from the command line. */
export const VERBS: ReadonlyMap<string, VerbEntry> = new Map(
  Object.entries({
    up: entry('run a whole cluster on this machine', () => import('./verbs/processes/up.ts')),
    load: entry('load files into a keyspace', () => import('./verbs/data/load.ts'), true),
    build: entry(
      'build a part of a dataset without a cluster',
      () => import('./verbs/data/build.ts'),
      true,
    ),
    commit: entry(
      'make a finished build the current version',
      () => import('./verbs/data/commit.ts'),
    ),
    cli: entry('read keys: one command, or interactively', () => import('./verbs/data/cli.ts')),
    status: entry("the cluster's health", () => import('./verbs/cluster/status.ts')),
    keyspaces: entry('list the keyspaces', () => import('./verbs/keyspaces/keyspaces.ts')),
    keyspace: entry(
      'make a keyspace without a version, for builds elsewhere',
      () => import('./verbs/keyspaces/keyspace.ts'),
    ),
    versions: entry(
      'list the versions of a keyspace',
      () => import('./verbs/keyspaces/versions.ts'),
    ),
    masters: entry('who leads, who follows', () => import('./verbs/cluster/masters.ts')),
    metadata: entry(
      'move, back up and restore the catalog of the masters',
      () => import('./verbs/cluster/metadata.ts'),
    ),
    archive: entry('what is in the deep store', () => import('./verbs/cluster/archive.ts')),
    events: entry('list who did what', () => import('./verbs/cluster/events.ts')),
    loads: entry('list running loads and the last ones', () => import('./verbs/data/loads.ts')),
    rollback: entry(
      'make an earlier version current',
      () => import('./verbs/keyspaces/rollback.ts'),
    ),
    promote: entry(
      'put a rejected or an older version live',
      () => import('./verbs/keyspaces/promote.ts'),
    ),
    keep: entry('how many versions a keyspace keeps', () => import('./verbs/keyspaces/keep.ts')),
    replication: entry(
      'how many copies a keyspace has',
      () => import('./verbs/keyspaces/replication.ts'),
    ),
    cache: entry(
      'whether the master caches the values of a keyspace',
      () => import('./verbs/keyspaces/cache.ts'),
    ),
    tier: entry(
      'whether the records of a keyspace are in memory or on disk',
      () => import('./verbs/keyspaces/tier.ts'),
    ),
    cost: entry(
      'what a keyspace takes of memory and disk, and what changes would free',
      () => import('./verbs/keyspaces/cost.ts'),
    ),
    diff: entry(
      'what changed between two versions of a keyspace',
      () => import('./verbs/keyspaces/diff.ts'),
    ),
    suspend: entry(
      'free the memory of a keyspace, and keep its data on disk',
      () => import('./verbs/keyspaces/suspend.ts'),
    ),
    resume: entry(
      'bring a suspended keyspace back into memory',
      () => import('./verbs/keyspaces/resume.ts'),
    ),
    drop: entry(
      'delete a keyspace, or one version of it',
      () => import('./verbs/keyspaces/drop.ts'),
    ),
    backup: entry(
      'copy keyspaces into a folder or a bucket',
      () => import('./verbs/archive/backup.ts'),
      true,
    ),
    restore: entry(
      'bring keyspaces back from a folder or a bucket',
      () => import('./verbs/archive/restore.ts'),
      true,
    ),
    follow: entry(
      'take each new version from the deep store of another cluster',
      () => import('./verbs/archive/follow.ts'),
      true,
    ),
    export: entry(
      'write a version as jsonl, csv or parquet into a folder or a bucket',
      () => import('./verbs/archive/export.ts'),
      true,
    ),
    nodes: entry('list the datanodes', () => import('./verbs/cluster/nodes.ts')),
    node: entry(
      'drain, resume, remove or restart datanodes',
      () => import('./verbs/cluster/node.ts'),
    ),
    upgrade: entry(
      'whether this release may replace what runs, one process at a time',
      () => import('./verbs/cluster/upgrade.ts'),
    ),
    shards: entry(
      'list the shards, what is in them and who holds them',
      () => import('./verbs/cluster/shards.ts'),
    ),
    ring: entry(
      'how the shards are spread over the datanodes',
      () => import('./verbs/cluster/ring.ts'),
    ),
    top: entry(
      'reads, latency and memory, live, by datanode and keyspace',
      () => import('./verbs/cluster/top.ts'),
    ),
    describe: entry(
      'everything about one keyspace, datanode, shard or load',
      () => import('./verbs/cluster/describe.ts'),
    ),
    explain: entry(
      'where a key or a shard lives, and why',
      () => import('./verbs/cluster/explain.ts'),
    ),
    bench: entry(
      'read from a cluster or any Redis, and measure it',
      () => import('./verbs/data/bench.ts'),
    ),
    verify: entry('check segment files offline', () => import('./verbs/data/verify.ts')),
    config: entry(
      'show the settings in force and where they come from',
      () => import('./verbs/processes/config.ts'),
    ),
    doctor: entry(
      'what is wrong with this machine or the way to a cluster, and what to do',
      () => import('./verbs/processes/doctor.ts'),
    ),
    version: entry(
      'what this program is, and what a cluster runs',
      () => import('./verbs/processes/version.ts'),
    ),
    completion: entry(
      'what a shell needs to complete commands',
      () => import('./verbs/processes/completion.ts'),
    ),
    certs: entry(
      'make the certificates of a cluster with TLS',
      () => import('./verbs/processes/certs.ts'),
    ),
    user: entry('who may log in, and as what', () => import('./verbs/access/user.ts')),
    audit: entry('list changes and refused attempts', () => import('./verbs/access/audit.ts')),
    role: entry('which rights go together', () => import('./verbs/access/role.ts')),
    token: entry('what programs log in with', () => import('./verbs/access/token.ts')),
    master: entry('run one master', () => import('./verbs/processes/master.ts')),
    datanode: entry('run one datanode', () => import('./verbs/processes/datanode.ts')),
    query: entry('run one query node', () => import('./verbs/processes/query.ts')),
  }),
);

/** Verbs for programs, which no listing shows. */
export const HIDDEN_VERBS: ReadonlyMap<string, VerbEntry> = new Map([
  ['__complete', entry('complete a line', () => import('./verbs/processes/complete.ts'))],
]);

/** All verbs that are listed, loaded. */
export function loadAllVerbs(): Promise<Verb[]> {
  return Promise.all([...VERBS.values()].map((verb) => verb.load()));
}

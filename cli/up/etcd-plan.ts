// The etcd of a `stele up` with several masters: members on this machine, whose ports are chosen at
// the first start and kept in `DIR/etcd.json`, because etcd stores the addresses of its members.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostAndPort } from '../../base/address.ts';
import { SteleError } from '../../base/errors.ts';
import { freePorts } from '../../transport/listen.ts';
import { flagWords } from './plan.ts';
import type { ClusterPlan, EtcdFiles } from './plan.ts';

const FILE = 'etcd.json';
/** Members are reached from this machine only. */
const HOST = '127.0.0.1';
const QUOTA_BYTES = 4 * 1024 ** 3;

interface EtcdMember {
  readonly client: number;
  readonly peer: number;
}

interface EtcdFile {
  readonly members: EtcdMember[];
  /** Whether members and masters use TLS. */
  readonly secure?: boolean;
}

/** Whether the masters of the cluster in `folder` share an etcd. */
export function hasEtcd(folder: string): boolean {
  return existsSync(join(folder, FILE));
}

/**
 * The members of the cluster's etcd, chosen now if this is its first start. Throws INVALID_ARGUMENT
 * if there is no etcd on the PATH, and if the folder has a cluster with one master, or an etcd of
 * another size, or one with TLS where there is none, or the reverse.
 */
export async function planEtcd(
  { dataDir, etcdNodes }: ClusterPlan,
  isSecure: boolean,
): Promise<EtcdMember[]> {
  requireEtcd();
  const path = join(dataDir, FILE);
  if (existsSync(path)) {
    const { members, secure = false } = JSON.parse(readFileSync(path, 'utf8')) as EtcdFile;
    if (secure !== isSecure) throw otherSecurity(dataDir, secure);
    if (etcdNodes === 0 || members.length === etcdNodes) return members;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The etcd of the cluster in ${dataDir} has ${members.length} members, not ${etcdNodes}; start it with --etcd-nodes ${members.length}.`,
    );
  }
  if (existsSync(join(dataDir, 'master', 'metadata'))) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The cluster in ${dataDir} has one master, with its catalog in ${join(dataDir, 'master')}; start it without --masters, or several masters in another --data-dir.`,
    );
  }
  const count = etcdNodes || 1;
  const ports = await freePorts(HOST, 2 * count);
  const members = Array.from({ length: count }, (_, at) => ({
    client: ports[2 * at] ?? 0,
    peer: ports[2 * at + 1] ?? 0,
  }));
  writeFileSync(path, `${JSON.stringify({ members, ...(isSecure ? { secure: true } : {}) })}\n`);
  return members;
}

/** Its members know each other by their URLs, with or without TLS. */
function otherSecurity(dataDir: string, isSecure: boolean): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    isSecure
      ? `The etcd of the cluster in ${dataDir} was made with --secure; start it with --secure.`
      : `The etcd of the cluster in ${dataDir} was made without --secure; start a secured cluster in another --data-dir, or leave out --secure.`,
  );
}

/** Before anything is created: without it, the folder would be that of a cluster with an etcd. */
function requireEtcd(): void {
  if (spawnSync('etcd', ['--version']).error === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    'There is no etcd on the PATH, and several masters share their catalog in one; install it (on Debian: apt-get install etcd-server), or start one master.',
  );
}

export function endpointsOf(members: readonly EtcdMember[]): string[] {
  return members.map(({ client }) => hostAndPort(HOST, client));
}

/** The command line of the process that runs member `index` (etcd-member.ts). */
export function etcdCommand(
  { dataDir }: ClusterPlan,
  members: readonly EtcdMember[],
  index: number,
  tls: EtcdFiles | undefined,
): string[] {
  const { client = 0, peer = 0 } = members[index] ?? {};
  const scheme = tls === undefined ? 'http' : 'https';
  const url = (port: number): string => `${scheme}://${hostAndPort(HOST, port)}`;
  const cluster = members.map((one, at) => `${nameOf(at)}=${url(one.peer)}`).join(',');
  const flags = flagWords({
    name: nameOf(index),
    'data-dir': join(dataDir, nameOf(index), 'data'),
    'listen-client-urls': url(client),
    'advertise-client-urls': url(client),
    'listen-peer-urls': url(peer),
    'initial-advertise-peer-urls': url(peer),
    'initial-cluster': cluster,
    // Only the present catalog is of use: old revisions are removed.
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '5m',
    'quota-backend-bytes': QUOTA_BYTES,
  });
  const script = fileURLToPath(new URL('etcd-member.js', import.meta.url));
  return [script, join(dataDir, nameOf(index)), HOST, String(client), ...flags, ...tlsWords(tls)];
}

/** Only the processes of the cluster may connect: the certificates of users have no host names. */
function tlsWords(tls: EtcdFiles | undefined): string[] {
  if (tls === undefined) return [];
  const { ca, cert, key } = tls;
  const files = flagWords({
    'cert-file': cert,
    'key-file': key,
    'trusted-ca-file': ca,
    'client-cert-allowed-hostname': 'localhost',
    'peer-cert-file': cert,
    'peer-key-file': key,
    'peer-trusted-ca-file': ca,
    'peer-cert-allowed-hostname': 'localhost',
  });
  return [...files, '--client-cert-auth', '--peer-client-cert-auth'];
}

function nameOf(index: number): string {
  return `etcd-${index}`;
}

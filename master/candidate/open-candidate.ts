// A master of several, from its settings: the connection to etcd, the candidate, and links to the
// datanodes of its own for reads, which outlive its leadership.

import { hostAndPort, isLoopback } from '../../base/address.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { systemEnv } from '../../base/env.ts';
import { DatanodeLinks } from '../../routing/datanode-links.ts';
import { announcedAddress } from '../../transport/host-address.ts';
import { connectEtcd } from '../metadata/etcd/connect.ts';
import { EtcdLayout } from '../metadata/etcd/layout.ts';
import { Candidate } from './candidate.ts';
import { grpcPeers } from './peers.ts';
import type { Seat, SeatOptions } from '../seat.ts';

/** Throws INVALID_ARGUMENT for settings that do not go together, and files that cannot be read. */
export async function openCandidate(options: SeatOptions): Promise<Seat> {
  const { closers, identity, links: factory, log, settings } = options;
  const api = options.etcd ?? connectEtcd(settings, log);
  closers.push(() => api.close());
  const host =
    settings.announceHost === ''
      ? await announcedAddress(settings.host, settings.etcdEndpoints)
      : settings.announceHost;
  if (host !== settings.host && isLoopback(host)) {
    log.warn(
      { host },
      `other masters and datanodes are told to dial ${host}, which only this machine can; name another address with --announce-host`,
    );
  }
  const candidate = new Candidate({
    api,
    layout: new EtcdLayout(settings.etcdPrefix),
    ttlSeconds: Math.ceil(settings.leaderTtl / 1000),
    settings,
    links: factory,
    log,
    env: systemEnv,
    peers: grpcPeers(identity),
  });
  closers.push(() => candidate.close());
  const { access, loads, operations, registrar } = candidate;
  const links = new DatanodeLinks(factory, monotonicNowMs);
  closers.push(() => links.close());
  closers.push(operations.subscribe((view) => links.update(view)));
  return {
    access,
    loads,
    operations,
    registrar,
    // Another master that takes over is how this is meant to go on.
    replaced: new Promise(() => undefined),
    linkTo: links.to,
    onTrouble: (nodeId) => candidate.plane?.leader.roster.reportTrouble(nodeId),
    loadEnds: () => candidate.plane?.loadEnds.counts ?? new Map(),
    start: async (grpcPort) =>
      candidate.start(hostAndPort(host, settings.announceGrpcPort || grpcPort)),
    handOver: () => candidate.close(),
  };
}

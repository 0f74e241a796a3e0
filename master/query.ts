// A query node: answers reads like a master, and has no data, no catalog and no part in elections.
// A load balancer may have any number of them.
//
// It takes the view from any master, and passes on to the masters what only the leader can answer.

import { addressList } from '../base/address.ts';
import { BackgroundTasks } from '../base/background.ts';
import { monotonicNowMs } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { LinkFactory } from '../proto/ports.ts';
import { DatanodeLinks } from '../routing/datanode-links.ts';
import { ViewWatcher } from '../routing/view-watcher.ts';
import { GrpcLinkFactory } from '../transport/grpc-link.ts';
import type { RoleIdentity } from '../transport/role-identity.ts';
import { orFromLastView } from './candidate/last-view.ts';
import { connectLeader } from './candidate/remote-leader.ts';
import { NOTHING_KNOWN } from './candidate/view-feed.ts';
import type { Closer } from './seat.ts';
import { openProcess, serve } from './serve.ts';
import type { Ports, ProcessHandle } from './serve.ts';
import type { QuerySettings } from './settings.ts';

interface QueryDependencies {
  readonly log: Logger;
  /** How datanodes are reached. Default: gRPC. */
  readonly linkFactory?: LinkFactory;
}

interface QueryNode extends ProcessHandle {
  readonly ports: Ports;
}

/**
 * Starts a query node. Resolves when all its ports are open. Throws PORT_IN_USE, INVALID_ARGUMENT.
 */
export function startQueryNode(
  settings: QuerySettings,
  { log, linkFactory }: QueryDependencies,
): Promise<QueryNode> {
  const open = async (
    settled: QuerySettings,
    closers: Closer[],
    identity: RoleIdentity,
  ): Promise<Pick<QueryNode, 'ports'>> => {
    const watcher = new ViewWatcher(addressList(settings.master), identity);
    closers.push(() => watcher.close());
    const remote = connectLeader(settings.master, { ...identity, via: 'any master' });
    closers.push(() => remote.close());
    const links = new DatanodeLinks(linkFactory ?? new GrpcLinkFactory(identity), monotonicNowMs);
    closers.push(() => links.close());
    closers.push(watcher.subscribe((view) => links.update(view)));
    const { access, loads, registrar } = remote;
    const current = (): ClusterView => watcher.view ?? NOTHING_KNOWN;
    const last = {
      current,
      noLeader: () => ({ why: 'No master answers', since: watcher.silentSince ?? '' }),
    };
    const operations = {
      ...remote.operations,
      ...orFromLastView(remote.operations, last),
      current,
      subscribe: watcher.subscribe.bind(watcher),
      silentSince: () => watcher.silentSince,
    };
    const seat = {
      access,
      loads,
      registrar,
      operations,
      replaced: new Promise<never>(() => undefined),
      linkTo: links.to,
      onTrouble: () => undefined,
      loadEnds: () => new Map<string, number>(),
      start: async () => undefined,
      handOver: async () => undefined,
    };
    const background = new BackgroundTasks(log);
    const parts = { role: 'query' as const, background, log, closers, identity };
    const ports = await serve(settled, seat, parts);
    log.info(ports, 'the query node is up');
    return { ports };
  };
  return openProcess(settings, log, open, { name: 'query' });
}

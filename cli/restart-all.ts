// A rolling restart: restarts the datanodes one at a time, each only while the cluster is GREEN.
//
//   wait for GREEN -> restart a -> a serves again, as another incarnation -> wait for GREEN -> restart b ...
//
// No state is stored: if it is interrupted, the cluster is as it is, and the datanode that was
// being restarted comes back by itself. The order is that of the names, so the last name suffices
// to continue.

import { monotonicNowMs } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { formatDuration } from '../base/units.ts';
import type { GetHealthResponse } from '../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState } from '../proto/gen/stele/v1/view.ts';
import { requireLeader } from './no-leader.ts';
import { lackOf, singleCopy, stateText } from './rolling-conditions.ts';
import { waitFor } from './wait-for.ts';
import type { WaitOptions } from './wait-for.ts';
import type { Admin } from './with-admin.ts';

type RestartAdmin = Pick<Admin, 'getHealth' | 'listKeyspaces' | 'listNodes' | 'restartNode'>;

export interface RestartOptions {
  /** Time limit per datanode to be back, and per wait for the cluster to be GREEN. */
  readonly deadlineMs: number;
  /** Also restart if a keyspace has only one copy, whose reads fail in the meantime. */
  readonly force: boolean;
  /** The last datanode that was already restarted; empty: none. */
  readonly after: string;
  readonly report: (line: string) => void;
}

/**
 * Returns the number of restarted datanodes. Throws CONFLICT and DEADLINE_EXCEEDED, which say what
 * was awaited and how to continue, and NODE_NOT_FOUND if `after` is not a datanode.
 */
export async function restartAll(admin: RestartAdmin, options: RestartOptions): Promise<number> {
  if (!options.force) await refuseSingleCopies(admin);
  const { nodes } = await admin.listNodes();
  const all = nodes.flatMap(({ node }) => (node === undefined ? [] : [node.id])).sort();
  const ids = idsAfter(all, options.after);
  let { after } = options;
  for (const id of ids) {
    await untilGreen(admin, { ...options, after }, `before ${id} is restarted`);
    const startedAtMs = monotonicNowMs();
    const before = await runOf(admin, id);
    await admin.restartNode(id);
    after = id;
    await untilBack(admin, { ...options, after }, id, before);
    const tookMs = monotonicNowMs() - startedAtMs;
    const count = `${all.indexOf(id) + 1} of ${all.length}`;
    options.report(`${id} is back after ${formatDuration(tookMs)} (${count})`);
  }
  await untilGreen(admin, { ...options, after }, 'after the last one');
  return ids.length;
}

function idsAfter(all: readonly string[], after: string): readonly string[] {
  if (after === '' || all.includes(after)) return all.filter((id) => id > after);
  throw new SteleError(
    'NODE_NOT_FOUND',
    `There is no datanode ${shorten(after)} to continue after; there are ${all.join(', ')}.`,
  );
}

async function refuseSingleCopies(admin: RestartAdmin): Promise<void> {
  const listed = await admin.listKeyspaces();
  requireLeader(listed);
  const why = singleCopy(listed.keyspaces, await health(admin));
  if (why === undefined) return;
  throw new SteleError(
    'CONFLICT',
    `${why}, so reads fail while its datanode restarts; raise it (\`stele replication\`), or accept that with --force.`,
  );
}

function health(admin: RestartAdmin): Promise<GetHealthResponse> {
  return admin.getHealth({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 });
}

async function runOf(admin: RestartAdmin, id: string): Promise<string> {
  const { nodes } = await admin.listNodes();
  const found = nodes.find(({ node }) => node?.id === id)?.node;
  if (found !== undefined) return found.incarnation;
  throw new SteleError(
    'NODE_NOT_FOUND',
    `Datanode ${id} was removed in the meantime; run this again.`,
  );
}

function untilGreen(admin: RestartAdmin, options: RestartOptions, when: string): Promise<void> {
  return waitFor(waitOf(options), async () => {
    const found = await health(admin);
    if (found.noLeader !== undefined) return `a master to lead ${when}: ${found.noLeader.reason}`;
    const lack = lackOf(found);
    return lack === undefined ? undefined : `the cluster to be green ${when}: ${lack}`;
  });
}

function untilBack(
  admin: RestartAdmin,
  options: RestartOptions,
  id: string,
  before: string,
): Promise<void> {
  return waitFor(waitOf(options), async () => {
    const { nodes } = await admin.listNodes();
    const found = nodes.find(({ node }) => node?.id === id);
    const isBack = found?.node?.state === NodeState.SERVING && found.node.incarnation !== before;
    return isBack ? undefined : `${found === undefined ? id : stateText(found)} to serve again`;
  });
}

function waitOf({ after, deadlineMs, report }: RestartOptions): WaitOptions {
  const again = `run this again${after === '' ? '' : ` with --after ${after}`}`;
  const otherwise = `Nothing further was restarted; see \`stele status\`, then ${again}.`;
  return { deadlineMs, report, otherwise };
}

// Waits until the cluster that was just started can be read.

import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { AdminClient } from '../../client/admin.ts';
import type { GetHealthResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import { nodeStateWord } from '../../proto/view-words.ts';

const POLL_MS = 30;
const REPORT_EVERY_MS = 10_000;
/** How long missing replicas are awaited; reads are correct without them. */
const GREEN_MS_MAX = 30_000;

/** How many datanodes were started, and how many there should be. */
export interface ExpectedNodes {
  readonly datanodes: number;
  readonly ofAll: number;
}

/**
 * Resolves when all `datanodes` serve and the health is GREEN; after 30 s, or if some did not
 * start, it suffices that every shard has a replica. `report` is called now and then with what is
 * missing. Throws CANCELLED.
 */
export async function awaitReady(
  admin: AdminClient,
  expected: ExpectedNodes,
  report: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const startMs = monotonicNowMs();
  let reportedAtMs = startMs;
  while (!signal.aborted) {
    const health = await currentHealth(admin);
    const nowMs = monotonicNowMs();
    if (health !== undefined && isReady(health, expected, nowMs - startMs)) return;
    if (nowMs - reportedAtMs >= REPORT_EVERY_MS) {
      reportedAtMs = nowMs;
      report(missingText(health, expected.ofAll));
    }
    await sleep(POLL_MS, signal);
  }
  throw new SteleError('CANCELLED', 'Stopped before the cluster was ready.');
}

/** Undefined while the master does not answer: it may be restarting. */
async function currentHealth(admin: AdminClient): Promise<GetHealthResponse | undefined> {
  try {
    return await admin.getHealth({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 });
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.retryable) return undefined;
    throw thrown;
  }
}

function isReady(
  health: GetHealthResponse,
  { datanodes, ofAll }: ExpectedNodes,
  waitedMs: number,
): boolean {
  if (!health.ready) return false;
  const serving = health.nodes.filter((summary) => summary.node?.state === NodeState.SERVING);
  if (serving.length >= datanodes && health.status === HealthStatus.GREEN) return true;
  const isAllThereIs = datanodes < ofAll && serving.length >= datanodes;
  return (
    (isAllThereIs || waitedMs >= GREEN_MS_MAX) &&
    health.status !== HealthStatus.RED &&
    serving.length > 0
  );
}

function missingText(health: GetHealthResponse | undefined, datanodes: number): string {
  if (health === undefined) return 'waiting for the master';
  const states = health.nodes
    .filter((summary) => summary.node?.state !== NodeState.SERVING)
    .map(({ node, progress }) => {
      const share = node?.state === NodeState.INITIALIZING ? ` ${Math.floor(progress * 100)}%` : '';
      return `${node?.id ?? '?'} ${nodeStateWord(node?.state ?? 0).toLowerCase()}${share}`;
    });
  const unknown = datanodes - health.nodes.length;
  if (unknown > 0) states.push(`${unknown} not yet joined`);
  return `waiting for the datanodes: ${states.length > 0 ? states.join(', ') : 'copying replicas'}`;
}

// `stele status`: an overview of the cluster's health; with --wait, a gate for scripts.

import { monotonicNowMs, sleep } from '../../../base/clock.ts';
import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { listNames } from '../../../base/ids.ts';
import type { GetHealthResponse, UncoveredShard } from '../../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { listingFormOptions, masterOption, outputOption } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { healthJson } from '../../../proto/json-shapes.ts';
import { listed } from '../../listings/listing.ts';
import { NODES } from '../../listings/nodes.ts';
import type { Output } from '../../output.ts';
import { isForPrograms, serialized } from '../../result.ts';
import type { ListingForm } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { userOptions } from '../../../transport/client-identity.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { watch } from '../../listings/watch.ts';
import { withAdmin } from '../../with-admin.ts';
import type { Admin } from '../../with-admin.ts';
import { paintHealth } from '../../words.ts';

const RETRY_PAUSE_MS = 250;
/** Limit of keyspaces in one line. */
const NAMES_MAX = 8;

const WAIT_FOR = {
  none: HealthStatus.UNSPECIFIED,
  green: HealthStatus.GREEN,
  yellow: HealthStatus.YELLOW,
} as const;

export const definition = defineVerb({
  name: 'status',
  operands: '',
  schema: settingsOf({
    wait: option.choice(
      'wait until the health is at least this; exit code 4 if it is not in time',
      ['none', 'green', 'yellow'],
      'none',
    ),
    timeout: option.duration('how long to wait', '60s', { min: 1, max: 600_000 }),
    master: masterOption,
    ...tlsOptions,
    ...userOptions,
    output: outputOption,
    watch: listingFormOptions.watch,
  }),
  examples: [
    'stele status',
    'stele status --wait green --timeout 60s',
    'stele status --watch',
    'stele status -o json',
  ],
  async run({ settings: { values }, output }) {
    const { output: form, watch: intervalMs } = values;
    const waits = values.wait !== 'none';
    return withAdmin(values, async (admin) => {
      const ask = (): Promise<GetHealthResponse> =>
        admin.getHealth({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 });
      if (intervalMs !== undefined && !waits) {
        return watch({ output, form, intervalMs }, async () => text(output, form, await ask()));
      }
      const health = waits
        ? await waitForHealth(admin, WAIT_FOR[values.wait], monotonicNowMs() + values.timeout)
        : await ask();
      output.line(await text(output, form, health));
      if (!waits || health.reached) return EXIT_OK;
      const sentence = `The cluster did not become ${values.wait} in time.`;
      throw new SteleError('DEADLINE_EXCEEDED', sentence);
    });
  },
});

/** The master does the waiting; a master that is not up yet, or restarting, is awaited too. */
async function waitForHealth(
  admin: Admin,
  waitFor: HealthStatus,
  deadlineAtMs: number,
): Promise<GetHealthResponse> {
  for (;;) {
    const leftMs = Math.max(0, Math.ceil(deadlineAtMs - monotonicNowMs()));
    try {
      return await admin.getHealth({ waitFor, timeoutMs: leftMs });
    } catch (thrown) {
      const isAway = thrown instanceof SteleError && thrown.code === 'UNAVAILABLE';
      if (!isAway || leftMs <= RETRY_PAUSE_MS) throw thrown;
      await sleep(RETRY_PAUSE_MS);
    }
  }
}

async function text(output: Output, form: ListingForm, health: GetHealthResponse): Promise<string> {
  if (isForPrograms(form)) return serialized(form, healthJson(health));
  const lines = [
    `status    ${paintHealth(output, health.status)}${health.ready ? '' : ', not ready'}${health.noLeader === undefined ? '' : ', as of the last view'}`,
    `copies    ${copiesText(health)}`,
    `shards    ${shardsText(health)}`,
    `epoch     ${health.epoch}`,
    ...health.reasons.map((reason) => `reason    ${reason}`),
    ...health.warnings.map((warning) => `warning   ${warning}`),
    ...uncoveredLines(health.uncovered),
  ];
  if (health.nodes.length === 0) return [...lines, 'No datanode has joined yet.'].join('\n');
  const nodes = await listed(NODES, output, { output: 'table', noHeaders: false }, health);
  return [...lines, '', nodes].join('\n');
}

function shardsText(health: GetHealthResponse): string {
  const active = `${health.shardsActive} of ${health.shardsTotal} active`;
  if (health.noLeader !== undefined) return active;
  return `${active}, ${health.shardsUnderReplicated} with too few copies`;
}

function copiesText(health: GetHealthResponse): string {
  const {
    copiesFailing,
    copiesRunning,
    noLeader,
    replicationEffective,
    replicationLeast,
    replicationTarget,
  } = health;
  const parts =
    replicationEffective === replicationTarget
      ? [`${replicationTarget}`]
      : [`${replicationEffective} (wanted ${replicationTarget}, too few datanodes)`];
  if (noLeader === undefined && replicationLeast < replicationEffective)
    parts.push(`some shards have ${replicationLeast}`);
  if (copiesRunning > 0) parts.push(`${copiesRunning} being made`);
  if (copiesFailing > 0) parts.push(`${copiesFailing} failed and tried again`);
  return parts.join(', ');
}

/** One line per run of adjacent shards that the same keyspaces lack. */
function uncoveredLines(uncovered: readonly UncoveredShard[]): string[] {
  const groups: { first: UncoveredShard; last: UncoveredShard }[] = [];
  for (const shard of uncovered) {
    const group = groups.at(-1);
    const isNext =
      group?.last.shard === shard.shard - 1 &&
      group.last.keyspaces.join() === shard.keyspaces.join();
    if (isNext) group.last = shard;
    else groups.push({ first: shard, last: shard });
  }
  return groups.map(({ first, last }) => {
    const shards = first === last ? `shard ${first.shard}` : `shards ${first.shard}-${last.shard}`;
    return `uncovered ${shards} (slots ${first.slotFirst}-${last.slotLast}) of ${listNames(first.keyspaces, NAMES_MAX)}`;
  });
}

// `stele status`: the cluster's health in one look; with --wait, a gate for scripts.
//
// The JSON has the names of `GET /v1/cluster/health`.

import { option, settingsOf } from '../../base/config.ts';
import type { GetHealthResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { masterOption, outputOption } from '../client-settings.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit.ts';
import { describeNode, formatNodes } from '../node-table.ts';
import type { Output } from '../output.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';
import { healthWord, paintHealth } from '../words.ts';

const WAIT_FOR = {
  none: HealthStatus.UNSPECIFIED,
  green: HealthStatus.GREEN,
  yellow: HealthStatus.YELLOW,
} as const;

export const status = defineVerb({
  name: 'status',
  summary: "the cluster's health",
  operands: '',
  schema: settingsOf({
    wait: option.choice(
      'wait until the health is at least this; exit code 1 if it is not in time',
      ['none', 'green', 'yellow'],
      'none',
    ),
    timeout: option.duration('how long to wait', '60s', { min: 1, max: 600_000 }),
    master: masterOption,
    output: outputOption,
  }),
  examples: ['stele status', 'stele status --wait green --timeout 60s', 'stele status -o json'],
  async run({ settings: { values }, output }) {
    const waits = values.wait !== 'none';
    // Without --wait the timeout is that of the call; with it, that of the wait in the master.
    const health = await withAdmin(values, (admin) =>
      admin.getHealth({ waitFor: WAIT_FOR[values.wait], timeoutMs: waits ? values.timeout : 0 }),
    );
    if (values.output === 'json') output.line(JSON.stringify(describe(health)));
    else output.line(format(output, health));
    if (!waits || health.reached) return EXIT_OK;
    output.errorLine(`stele: The cluster did not become ${values.wait} in time.`);
    return EXIT_FAILED;
  },
});

function describe(health: GetHealthResponse) {
  return {
    status: healthWord(health.status),
    ready: health.ready,
    replication: { target: health.replicationTarget, effective: health.replicationEffective },
    nodes: health.nodes.map(describeNode),
    shards: {
      total: health.shardsTotal,
      active: health.shardsActive,
      under_replicated: health.shardsUnderReplicated,
      uncovered: health.uncovered,
    },
    epoch: health.epoch,
  };
}

function format(output: Output, health: GetHealthResponse): string {
  const copies =
    health.replicationEffective === health.replicationTarget
      ? `${health.replicationTarget}`
      : `${health.replicationEffective} (wanted ${health.replicationTarget}, too few datanodes)`;
  const lines = [
    `status    ${paintHealth(output, health.status)}${health.ready ? '' : ', not ready'}`,
    `copies    ${copies}`,
    `shards    ${health.shardsActive} of ${health.shardsTotal} active, ${health.shardsUnderReplicated} with too few copies`,
    `epoch     ${health.epoch}`,
    ...health.uncovered.map(
      (shard) =>
        `uncovered shard ${shard.shard} (slots ${shard.slotFirst}-${shard.slotLast}) of ${shard.keyspaces.join(', ')}`,
    ),
  ];
  if (health.nodes.length === 0) return [...lines, 'No datanode has joined yet.'].join('\n');
  return [...lines, '', formatNodes(output, health.nodes)].join('\n');
}

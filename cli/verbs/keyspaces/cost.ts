// `stele cost KS`: what a keyspace takes of memory and disk in either tier, and what a change of tier,
// copies or kept versions would free.

import { settingsOf } from '../../../base/config.ts';
import { keyspaceName } from '../../../base/ids.ts';
import { formatBytes } from '../../../base/units.ts';
import type {
  CostChange,
  GetCostResponse,
  SizeQuantiles,
  TierCost,
} from '../../../proto/gen/stele/v1/cluster.ts';
import { costJson } from '../../../proto/content-json.ts';
import { tierWord } from '../../../proto/view-words.ts';
import { resultOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { counted } from '../../words.ts';

export const definition = defineVerb({
  name: 'cost',
  operands: '<keyspace>',
  schema: settingsOf(resultOptions),
  examples: ['stele cost prices', 'stele cost prices -o json'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const cost = await withAdmin(values, (admin) => admin.cost(keyspace));
    await printResult(output, values.output, costJson(keyspace, cost), () =>
      costText(keyspace, cost),
    );
    return EXIT_OK;
  },
});

/** Tables and sentences for people. */
export function costText(keyspace: string, cost: GetCostResponse): string {
  const { changes, keySizes, tiers, unanswered, valueSizes } = cost;
  const parts = [summary(keyspace, cost), tierTable(cost, tiers)];
  if (tiers.length === 1) {
    parts.push('The disk tier cannot be estimated: no datanode holds records of it now.');
  }
  if (keySizes !== undefined && valueSizes !== undefined) {
    parts.push(sizeTable(cost.sampled, keySizes, valueSizes));
  }
  if (changes.length > 0) parts.push(changeTable(keyspace, changes));
  parts.push(readsText(cost));
  if (unanswered.length > 0) parts.push(`Without ${unanswered.join(', ')}, which did not answer.`);
  return parts.join('\n\n');
}

function summary(keyspace: string, cost: GetCostResponse): string {
  const { keyBytes, records, replication, suspended, tier, valueBytes, version } = cost;
  const mean = (bytes: number): string => formatBytes(Math.round(bytes / Math.max(1, records)));
  const place = suspended ? `${tierWord(tier)} tier, suspended` : `${tierWord(tier)} tier`;
  const kept = `${counted(cost.versionsKept, 'version')} kept`;
  const copies = counted(replication, 'copy', 'copies');
  if (version === 0) return `${keyspace} has no version: ${place}, ${copies}, ${kept}.`;
  const sizes = `${mean(keyBytes)} + ${mean(valueBytes)} on average`;
  return `${keyspace}, version ${version}: ${counted(records, 'key')} (${sizes}), ${place}, ${copies}, ${kept}.`;
}

const RIGHT = 'right' as const;

function tierTable({ suspended, tier }: GetCostResponse, tiers: readonly TierCost[]): string {
  const columns = [
    { title: 'TIER' },
    { title: 'MEMORY', align: RIGHT },
    { title: 'DISK', align: RIGHT },
    { title: 'MEMORY A KEY', align: RIGHT },
    { title: 'DISK A KEY', align: RIGHT },
  ];
  const rows = tiers.map((one) => [
    `${tierWord(one.tier)}${one.tier === tier && !suspended ? ' (now)' : ''}`,
    formatBytes(one.memoryBytes),
    formatBytes(one.diskBytes),
    `${one.memoryBytesPerRecord.toFixed(1)} B`,
    `${one.diskBytesPerRecord.toFixed(1)} B`,
  ]);
  return formatTable(columns, rows);
}

function sizeTable(sampled: number, keys: SizeQuantiles, values: SizeQuantiles): string {
  const columns = [
    { title: `OF ${formatCount(sampled)} SAMPLED` },
    ...['P50', 'P90', 'P99', 'LARGEST'].map((title) => ({ title, align: RIGHT })),
  ];
  const row = (name: string, { largest, p50, p90, p99 }: SizeQuantiles): string[] => [
    name,
    ...[p50, p90, p99, largest].map((bytes) => formatBytes(bytes)),
  ];
  return formatTable(columns, [row('keys', keys), row('values', values)]);
}

function changeTable(keyspace: string, changes: readonly CostChange[]): string {
  const columns = [
    { title: 'CHANGE' },
    { title: 'FREES MEMORY', align: RIGHT },
    { title: 'FREES DISK', align: RIGHT },
  ];
  const rows = changes.map(({ change, diskBytes, memoryBytes }) => {
    const [verb = '', ...value] = change.split(' ');
    const command = ['stele', verb, keyspace, ...value].join(' ');
    return [command, signedBytes(memoryBytes), signedBytes(diskBytes)];
  });
  return formatTable(columns, rows);
}

function signedBytes(bytes: number): string {
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}

function readsText({ hitRatio, readsPerSecond }: GetCostResponse): string {
  const rate =
    readsPerSecond < 10 ? readsPerSecond.toFixed(1) : formatCount(Math.round(readsPerSecond));
  const reads = `${rate} reads/s at the datanodes lately`;
  if (hitRatio === undefined) return `${reads}.`;
  const share = `${(100 * hitRatio).toFixed(1)}% of the keys were found`;
  return `${reads}; ${share}. In the disk tier each of them is a read of a block of 4 KiB, unless it is cached; keys that are not found need none.`;
}
